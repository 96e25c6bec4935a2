-- name: versions
-- A page of a node's versions, newest first, before one id.
select v.version_id, v.blob_id, v.size, v.sha256, v.mtime_ns, v.mode, v.author_user_id, v.device,
       v.created_at, b.state as blob_state
from versions v
left join lateral (
  select state, class, chunk_list from blobs
  where space_id = %(space_id)s and blob_id between v.blob_id and v.blob_id
  order by blob_id limit 1
) b on true
where v.space_id = %(space_id)s and v.node_id = %(node_id)s and v.version_id < %(before)s
order by v.version_id desc
limit %(limit)s;

-- name: version
-- One version of a node.
select v.version_id, v.blob_id, v.size, v.sha256, v.mtime_ns, v.mode, v.author_user_id, v.device,
       v.created_at, b.state as blob_state
from versions v
left join lateral (
  select state, class, chunk_list from blobs
  where space_id = %(space_id)s and blob_id between v.blob_id and v.blob_id
  order by blob_id limit 1
) b on true
where v.space_id = %(space_id)s and v.version_id = %(version_id)s and v.node_id = %(node_id)s;

-- name: chunk_list
-- The chunk list of a version's blob; an empty file has none.
select v.version_id, b.class as chunk_class, b.chunk_list, b.state as blob_state, v.blob_id
from versions v
left join lateral (
  select state, class, chunk_list from blobs
  where space_id = %(space_id)s and blob_id between v.blob_id and v.blob_id
  order by blob_id limit 1
) b on true
where v.space_id = %(space_id)s and v.version_id = %(version_id)s and v.node_id = %(node_id)s;

-- name: full_histories
-- Nodes among several (folder, name) pairs that have as many versions as the space keeps, with
-- all of them: a further one makes the oldest go.
select n.node_id, h.version_ids, h.blob_ids
from unnest(%(parent_ids)s::bigint[], %(names)s::text[]) as asked(parent_id, name)
cross join lateral (
  select node_id, version_id from nodes
  where space_id = %(space_id)s and parent_id = asked.parent_id and name = asked.name
  limit 1
) n
cross join lateral (
  select array_agg(v.version_id) as version_ids, array_agg(v.blob_id) as blob_ids
  from versions v
  where v.space_id = %(space_id)s and v.node_id = n.node_id
  having count(*) >= (select versions_kept from spaces where space_id = %(space_id)s)
) h
where n.version_id is not null;

-- name: history
-- All versions of one node with their blobs.
select version_id, blob_id from versions
where space_id = %(space_id)s and node_id = %(node_id)s;

-- name: insert_versions
-- New versions, from arrays of equal length.
insert into versions (space_id, version_id, node_id, blob_id, size, sha256, mtime_ns, mode,
                      author_user_id, device, created_at)
select %(space_id)s, t.version_id, t.node_id, t.blob_id, t.size, t.sha256, t.mtime_ns, t.mode,
       %(author)s, t.device, %(now)s
from unnest(%(version_ids)s::bigint[], %(node_ids)s::bigint[], %(blob_ids)s::bigint[],
            %(sizes)s::bigint[], %(sha256s)s::bytea[], %(mtimes)s::bigint[],
            %(modes)s::integer[], %(devices)s::text[])
  as t(version_id, node_id, blob_id, size, sha256, mtime_ns, mode, device);

-- name: delete_versions
-- Versions that are dropped.
delete from versions
where space_id = %(space_id)s and version_id = any(%(version_ids)s::bigint[]);

-- name: versions_of
-- The next versions of nodes that are being deleted, by node.
select v.node_id, v.version_id, v.blob_id
from (select node_id from unnest(%(node_ids)s::bigint[]) as t(node_id) order by node_id) asked
cross join lateral (
  select node_id, version_id, blob_id from versions
  where space_id = %(space_id)s and node_id = asked.node_id
  offset 0
) v
limit %(limit)s;

-- name: usable_blobs
-- Blobs that a commit names, or their uploads while these are not over.
select b.blob_id, b.raw_size, b.stored_size, b.state, b.proven, b.author_user_id, b.charged,
       b.sha256
from unnest(%(blob_ids)s::bigint[]) as asked(blob_id)
cross join lateral (
  select * from blobs
  where space_id = %(space_id)s and blob_id between asked.blob_id and asked.blob_id
  order by blob_id limit 1
) b
union all
select u.upload_id, u.size, u.size,
       case when u.state in ('aborting', 'purged') then 'dying' else 'pending' end,
       false, u.author_user_id, false, u.sha256
from unnest(%(blob_ids)s::bigint[]) as asked(blob_id)
cross join lateral (
  select * from uploads where space_id = %(space_id)s and upload_id = asked.blob_id limit 1
) u
where not exists (
  select from blobs b where b.space_id = %(space_id)s and b.blob_id = asked.blob_id
);

-- name: charge_blobs
-- Blobs that a version uses for the first time.
update blobs set charged = true
where space_id = %(space_id)s and blob_id = any(%(blob_ids)s::bigint[]);

-- name: release_blobs
-- Blobs that lost a version: those without any are no longer charged, and live a while longer.
with freed as (
  update blobs b set charged = false, fresh_until = %(fresh_until)s
  where b.space_id = %(space_id)s and b.blob_id = any(%(blob_ids)s::bigint[]) and b.charged
    and not exists (
      select from versions v where v.space_id = %(space_id)s and v.blob_id = b.blob_id
    )
  returning greatest(b.raw_size, b.stored_size) as bytes
)
update spaces
set used_bytes = used_bytes - (select coalesce(sum(bytes), 0) from freed)::bigint
where space_id = %(space_id)s and exists (select from freed);
