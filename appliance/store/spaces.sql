-- name: create_space
-- A space with its root; nothing happens to one that exists.
insert into spaces (space_id, owner_user_id, kind, seq, mark, quota_bytes, used_bytes,
                    versions_kept, created_at)
select %(space_id)s, %(owner_user_id)s, %(kind)s, 0, 0, %(quota_bytes)s, 0, %(versions_kept)s,
       %(now)s
on conflict do nothing;

-- name: create_root
-- The root's row: a folder without a name or parent.
insert into nodes (space_id, node_id, parent_id, name, folded, kind, flags, size, mtime_ns, mode,
                   rev, created_at)
values (%(space_id)s, 1, 0, '', '', 'folder', 0, 0, 0, 493, 0, %(now)s)
on conflict do nothing;

-- name: space
-- A space as it is, without a lock.
select space_id, owner_user_id, kind, seq, mark, quota_bytes, used_bytes, versions_kept
from spaces where space_id = %(space_id)s;

-- name: lock_space
-- A space, locked until the transaction ends: whoever changes what is in it comes through here.
select space_id, owner_user_id, kind, seq, mark, quota_bytes, used_bytes, versions_kept
from spaces where space_id = %(space_id)s
for no key update;

-- name: advance_space
-- The end of a change: the last journal row's number and mark, and what was charged.
update spaces set seq = %(seq)s, mark = %(mark)s, used_bytes = used_bytes + %(charged)s
where space_id = %(space_id)s;

-- name: set_quota
-- A new quota; what is used already stays.
update spaces set quota_bytes = %(quota_bytes)s where space_id = %(space_id)s
returning space_id;

-- name: set_versions_kept
-- A new count of versions; nodes that have more lose theirs with their next version.
update spaces set versions_kept = %(versions_kept)s where space_id = %(space_id)s
returning space_id;

-- name: reserved_bytes
-- What is promised and not yet used: open uploads, aborted ones whose single PUT may still land,
-- and fresh blobs that no version uses yet.
select (
    select coalesce(sum(reserved_bytes), 0) from uploads
    where space_id = %(space_id)s
      and state in ('reserved', 'uploading', 'completing')
  )::bigint + (
    select coalesce(sum(reserved_bytes), 0) from uploads
    where space_id = %(space_id)s
      and state in ('aborting', 'purged') and method = 'single'
      and url_expires_at > %(url_expired)s
  )::bigint + (
    select coalesce(sum(greatest(raw_size, stored_size)), 0) from blobs
    where space_id = %(space_id)s
      and state = 'live' and not charged and fresh_until > %(now)s
  )::bigint as reserved;

-- name: trash_bytes
-- Bytes of the blobs that versions of trashed nodes use, each blob once.
with recursive below (node_id, kind) as (
  select node_id, kind from nodes where space_id = %(space_id)s and parent_id = 2
  union all
  select n.node_id, n.kind
  from below cross join lateral (
    select node_id, kind from nodes
    where space_id = %(space_id)s and parent_id = below.node_id
    offset 0
  ) n
  where below.kind = 'folder'
), held (blob_id) as (
  select distinct v.blob_id
  from below cross join lateral (
    select blob_id from versions
    where space_id = %(space_id)s and node_id = below.node_id
    offset 0
  ) v
)
select coalesce(sum(greatest(b.raw_size, b.stored_size)), 0)::bigint as bytes
from held cross join lateral (
  select raw_size, stored_size from blobs
  where space_id = %(space_id)s and blob_id between held.blob_id and held.blob_id
  order by blob_id limit 1
) b;

-- name: version_bytes
-- Bytes of the blobs that only versions use which are not their node's current one.
with old (blob_id) as (
  select distinct v.blob_id
  from versions v
  left join nodes n on n.space_id = %(space_id)s and n.node_id = v.node_id
                   and n.version_id = v.version_id
  where v.space_id = %(space_id)s and v.blob_id is not null and n.node_id is null
)
select coalesce(sum(greatest(b.raw_size, b.stored_size)), 0)::bigint as bytes
from old join blobs b on b.space_id = %(space_id)s and b.blob_id = old.blob_id
where not exists (
  select from versions v
  join nodes n on n.space_id = %(space_id)s and n.node_id = v.node_id
              and n.version_id = v.version_id
  where v.space_id = %(space_id)s and v.blob_id = old.blob_id
);
