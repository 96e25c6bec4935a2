-- Stored bytes: found by fingerprint, kept while referred to, and their death.

-- name: usable_by_fingerprints
-- Live blobs that the author may use without sending a byte; never another space's. One that is
-- past its fresh time counts against no quota any more and is about to die: it isn't offered.
select blob_id, author_user_id, fingerprint, class, raw_size, sha256, chunk_list, object_key,
  proven, state, charged, fresh_until, created_at, space_id
from blobs
where space_id = %(space_id)s and fingerprint = any(%(fingerprints)s) and state = 'live'
  and (proven or author_user_id = %(author)s) and (charged or fresh_until > %(now)s)
order by charged desc, blob_id

-- name: blobs_by_ids
-- Rows by id, in any state.
select blob_id, author_user_id, fingerprint, class, raw_size, sha256, chunk_list, object_key,
  proven, state, charged, fresh_until, created_at, space_id
from blobs where space_id = %(space_id)s and blob_id = any(%(blob_ids)s)

-- name: keep_fresh
-- A blob that was named to a client lives long enough to be committed; a dying one stays so.
update blobs set fresh_until = greatest(fresh_until, %(fresh_until)s)
where space_id = %(space_id)s and blob_id = any(%(blob_ids)s) and state = 'live'
  and (charged or fresh_until > %(now)s)
returning blob_id

-- name: quarantine
-- Stops handing out a blob; scrub decides what becomes of it.
update blobs set state = 'quarantined'
where space_id = %(space_id)s and blob_id = %(blob_id)s and state = 'live'
returning blob_id

-- name: nodes_showing
-- The nodes whose current version is of this blob: what is said of them changes with its state.
select n.node_id from versions v
cross join lateral (
  select node_id, version_id from nodes
  where space_id = %(space_id)s and node_id between v.node_id and v.node_id
  order by node_id limit 1
) n
where v.space_id = %(space_id)s and v.blob_id = %(blob_id)s and n.version_id = v.version_id

-- name: unused_blobs
-- Blobs past their fresh time that no version and no open upload's pin refers to. What was
-- quarantined goes the same way: nobody waits for a verdict on it.
select b.blob_id from blobs b
where b.space_id = %(space_id)s and b.state in ('live', 'quarantined') and not b.charged
  and b.fresh_until < %(now)s
  and not exists (select 1 from versions v
                  where v.space_id = %(space_id)s and v.blob_id = b.blob_id)
  and not exists (select 1 from uploads u
                  where u.space_id = %(space_id)s and u.base_blob_id = b.blob_id
                    and u.state in ('reserved', 'uploading', 'completing'))
order by b.fresh_until limit %(limit)s

-- name: references
-- The death rule's counts for these blobs; to be read under the space's lock.
select b.blob_id, b.fresh_until,
  (select count(*) from versions v
   where v.space_id = %(space_id)s and v.blob_id = b.blob_id) as versions,
  (select count(*) from uploads u
   where u.space_id = %(space_id)s and u.base_blob_id = b.blob_id
     and u.state in ('reserved', 'uploading', 'completing')) as pins
from blobs b
where b.space_id = %(space_id)s and b.blob_id = any(%(blob_ids)s)
  and b.state in ('live', 'quarantined') and not b.charged
for no key update of b

-- name: let_die
-- From here on it matches no fingerprint and takes no new reference.
update blobs set state = 'dying', dying_at = %(now)s
where space_id = %(space_id)s and blob_id = any(%(blob_ids)s)
  and state in ('live', 'quarantined') and not charged
returning blob_id

-- name: dead_blobs
-- Dying ones whose grace is over.
select blob_id, object_key from blobs
where space_id = %(space_id)s and state = 'dying' and dying_at < %(before)s
order by dying_at limit %(limit)s

-- name: forget_blobs
-- Rows whose objects are gone.
delete from blobs
where space_id = %(space_id)s and blob_id = any(%(blob_ids)s) and state = 'dying'
returning blob_id

-- name: spaces_with_unused_blobs
-- bucket: spaces of a range of keys that have blobs past their fresh time.
select distinct space_id from blobs
where space_id between %(low)s and %(high)s and state in ('live', 'quarantined')
  and not charged and fresh_until < %(now)s

-- name: spaces_with_dead_blobs
-- bucket: spaces of a range of keys that have dying blobs past their grace.
select distinct space_id from blobs
where space_id between %(low)s and %(high)s and state = 'dying' and dying_at < %(before)s

-- name: blob_keys_page
-- Blobs beyond `after` by id, for the comparison with the store.
select blob_id, object_key, stored_size, object_offset, state from blobs
where space_id = %(space_id)s and blob_id > %(after)s
order by blob_id limit %(limit)s

-- name: blobs_of_keys
-- The blobs' rows that explain these keys, in whatever state: one index probe each.
select b.blob_id, b.object_key, b.stored_size, b.object_offset, b.state
from unnest(%(object_keys)s::text[]) as asked(object_key)
cross join lateral (
  select blob_id, object_key, stored_size, object_offset, state from blobs
  where space_id = %(space_id)s and object_key = asked.object_key
  limit 1
) b

-- name: content_of_nodes
-- The asked or current version of each node with its blob, for tickets: one index probe each,
-- whatever the planner believes of the tables (nodes.sql says why).
select w.place, n.node_id, n.parent_id, n.name, n.kind, v.version_id, v.size,
  coalesce(v.sha256, b.sha256) as sha256, v.blob_id,
  b.object_key, b.object_offset, b.stored_size, b.state, b.fingerprint,
  case when octet_length(b.chunk_list) <= %(chunk_bytes)s then b.chunk_list end as chunk_list,
  s.share_epoch
from unnest(%(places)s::integer[], %(node_ids)s::bigint[], %(version_ids)s::bigint[])
  as w (place, node_id, version_id)
cross join lateral (
  select * from nodes
  where space_id = %(space_id)s and node_id between w.node_id and w.node_id
  order by node_id limit 1
) n
left join lateral (
  select version_id, blob_id, size, sha256 from versions
  where space_id = %(space_id)s and node_id = n.node_id
    and version_id between coalesce(w.version_id, n.version_id)
                       and coalesce(w.version_id, n.version_id)
  order by version_id limit 1
) v on true
left join lateral (
  select * from blobs
  where space_id = %(space_id)s and blob_id between v.blob_id and v.blob_id
  order by blob_id limit 1
) b on true
cross join (select share_epoch from spaces where space_id = %(space_id)s) s
