-- Uploads and their recorded parts. Every move of a row is a compare-and-swap on state and fence.

-- name: open_by_fingerprints
-- The author's unfinished uploads of these contents, the oldest first.
select upload_id, author_user_id, fingerprint, class, size, sha256, chunk_list, chunk_count,
  method, object_key, s3_upload_id, state, fence, reserved_bytes, active_at, url_expires_at,
  created_at, space_id
from uploads
where space_id = %(space_id)s and author_user_id = %(author)s
  and fingerprint = any(%(fingerprints)s)
  and state in ('reserved', 'uploading', 'completing')
order by upload_id

-- name: insert_uploads
-- All rows of a batch, before the store is told anything.
insert into uploads (space_id, upload_id, author_user_id, fingerprint, class, size, sha256,
  chunk_list, chunk_count, method, object_key, state, reserved_bytes, active_at, url_expires_at,
  created_at)
select %(space_id)s, w.upload_id, %(author)s, w.fingerprint, w.class, w.size, w.sha256,
  w.chunk_list, w.chunk_count, w.method, w.object_key, w.state, w.reserved_bytes, %(now)s,
  %(url_expires_at)s, %(now)s
from unnest(%(upload_ids)s::bigint[], %(fingerprints)s::bytea[], %(classes)s::smallint[],
  %(sizes)s::bigint[], %(sha256s)s::bytea[], %(chunk_lists)s::bytea[], %(chunk_counts)s::integer[],
  %(methods)s::text[], %(object_keys)s::text[], %(states)s::text[], %(reserved)s::bigint[])
  as w (upload_id, fingerprint, class, size, sha256, chunk_list, chunk_count, method, object_key,
        state, reserved_bytes)
returning upload_id, author_user_id, fingerprint, class, size, sha256, chunk_list, chunk_count,
  method, object_key, s3_upload_id, state, fence, reserved_bytes, active_at, url_expires_at,
  created_at, space_id

-- name: uploads_by_ids
-- Rows by id, whoever's they are.
select upload_id, author_user_id, fingerprint, class, size, sha256, chunk_list, chunk_count,
  method, object_key, s3_upload_id, state, fence, reserved_bytes, active_at, url_expires_at,
  created_at, space_id
from uploads where space_id = %(space_id)s and upload_id = any(%(upload_ids)s)

-- name: open_page
-- The author's unfinished uploads beyond `after`, by id.
select upload_id, author_user_id, fingerprint, class, size, sha256, chunk_list, chunk_count,
  method, object_key, s3_upload_id, state, fence, reserved_bytes, active_at, url_expires_at,
  created_at, space_id
from uploads
where space_id = %(space_id)s and author_user_id = %(author)s and upload_id > %(after)s
  and state in ('reserved', 'uploading', 'completing')
order by upload_id limit %(limit)s

-- name: touch_uploads
-- Activity, and the expiry of URLs that are about to be signed; only where they may be signed.
update uploads set active_at = %(now)s,
  url_expires_at = greatest(url_expires_at, %(url_expires_at)s)
where space_id = %(space_id)s and upload_id = any(%(upload_ids)s)
  and state in ('reserved', 'uploading')
returning upload_id, author_user_id, fingerprint, class, size, sha256, chunk_list, chunk_count,
  method, object_key, s3_upload_id, state, fence, reserved_bytes, active_at, url_expires_at,
  created_at, space_id

-- name: open_uploads
-- The store's ids of multipart uploads that were reserved; the first one recorded stays.
update uploads set s3_upload_id = w.s3_upload_id, state = 'uploading', fence = fence + 1
from unnest(%(upload_ids)s::bigint[], %(s3_upload_ids)s::text[]) as w (upload_id, s3_upload_id)
where uploads.space_id = %(space_id)s and uploads.upload_id = w.upload_id
  and uploads.state = 'reserved'
returning uploads.upload_id

-- name: move_upload
-- The compare-and-swap behind every change of state.
update uploads set state = %(to_state)s, fence = fence + 1, active_at = %(now)s
where space_id = %(space_id)s and upload_id = %(upload_id)s
  and state = %(from_state)s and fence = %(fence)s
  and active_at = coalesce(%(idle_since)s, active_at)
returning upload_id, author_user_id, fingerprint, class, size, sha256, chunk_list, chunk_count,
  method, object_key, s3_upload_id, state, fence, reserved_bytes, active_at, url_expires_at,
  created_at, space_id

-- name: finish_upload
-- The blob becomes live and the upload is over, in one statement under the fence.
with moved as (
  update uploads set state = 'uploaded', fence = fence + 1, active_at = %(now)s
  where space_id = %(space_id)s and upload_id = %(upload_id)s
    and state = 'completing' and fence = %(fence)s
  returning *),
made as (
  insert into blobs (space_id, blob_id, object_key, stored_size, raw_size, class, chunk_list,
    fingerprint, proven, sha256, author_user_id, state, charged, fresh_until, created_at)
  select space_id, upload_id, object_key, size, size, class, chunk_list, fingerprint, true, sha256,
    author_user_id, 'live', false, %(fresh_until)s, %(now)s
  from moved
  returning space_id, blob_id, object_key),
queued as (
  insert into heals (space_id, blob_id, object_key, created_at)
  select space_id, blob_id, object_key, %(now)s from made)
select blob_id from made

-- name: finish_singles
-- Single PUTs whose objects were seen at their full size: nothing to complete in the store.
with moved as (
  update uploads set state = 'uploaded', fence = fence + 1, active_at = %(now)s
  where space_id = %(space_id)s and upload_id = any(%(upload_ids)s)
    and method = 'single' and state in ('uploading', 'completing')
  returning *),
made as (
  insert into blobs (space_id, blob_id, object_key, stored_size, raw_size, class, chunk_list,
    fingerprint, proven, sha256, author_user_id, state, charged, fresh_until, created_at)
  select space_id, upload_id, object_key, size, size, class, chunk_list, fingerprint, true, sha256,
    author_user_id, 'live', false, %(fresh_until)s, %(now)s
  from moved
  returning space_id, blob_id, object_key),
queued as (
  insert into heals (space_id, blob_id, object_key, created_at)
  select space_id, blob_id, object_key, %(now)s from made)
select blob_id from made

-- name: recorded_parts
-- What the store has confirmed of these uploads.
select upload_id, part_no, etag from parts
where space_id = %(space_id)s and upload_id = any(%(upload_ids)s)
order by upload_id, part_no

-- name: record_parts
-- Confirmed parts of uploads that still take them; the latest ETag of a part counts.
with open as (
  update uploads set active_at = %(now)s
  where space_id = %(space_id)s and upload_id = any(%(upload_ids)s) and state = 'uploading'
  returning upload_id)
insert into parts (space_id, upload_id, part_no, etag, recorded_at)
select %(space_id)s, w.upload_id, w.part_no, w.etag, %(now)s
from unnest(%(part_uploads)s::bigint[], %(part_nos)s::integer[], %(etags)s::text[])
  as w (upload_id, part_no, etag)
join open on open.upload_id = w.upload_id
on conflict (space_id, upload_id, part_no) do update
  set etag = excluded.etag, recorded_at = excluded.recorded_at
returning upload_id, part_no

-- name: forget_parts
-- Parts that the store wouldn't complete with: they are to be sent or listed again.
delete from parts
where space_id = %(space_id)s and upload_id = %(upload_id)s and part_no = any(%(part_nos)s)

-- name: forget_all_parts
-- The parts of an upload whose row goes.
delete from parts where space_id = %(space_id)s and upload_id = any(%(upload_ids)s)

-- name: forget_upload
-- A tombstone that has done its work.
delete from uploads
where space_id = %(space_id)s and upload_id = %(upload_id)s
  and state = 'purged' and fence = %(fence)s
returning upload_id

-- name: forget_uploaded
-- Rows of finished uploads; their objects belong to blobs.
delete from uploads
where space_id = %(space_id)s and upload_id = any(%(upload_ids)s) and state = 'uploaded'
returning upload_id

-- name: stuck_uploads
-- What a worker has to drive: idle, or left half-way longer than a request takes.
select upload_id, state from uploads
where space_id = %(space_id)s
  and ((state in ('reserved', 'uploading') and active_at < %(idle_before)s)
    or (state in ('completing', 'aborting') and active_at < %(stuck_before)s))
order by active_at limit %(limit)s

-- name: over_tombstones
-- Finished rows past the last URL and the longest PUT.
select upload_id, state from uploads
where space_id = %(space_id)s and state in ('uploaded', 'purged')
  and url_expires_at < %(before)s
order by url_expires_at limit %(limit)s

-- name: spaces_with_stuck_uploads
-- bucket: spaces of a range of keys that have something to drive.
select distinct space_id from uploads
where space_id between %(low)s and %(high)s
  and ((state in ('reserved', 'uploading') and active_at < %(idle_before)s)
    or (state in ('completing', 'aborting') and active_at < %(stuck_before)s))

-- name: count_stuck_uploads
-- bucket: uploads of a range of keys that were left half-way longer than any worker takes.
select count(*) as stuck from uploads
where space_id between %(low)s and %(high)s
  and state in ('completing', 'aborting') and active_at < %(stuck_before)s

-- name: spaces_with_tombstones
-- bucket: spaces of a range of keys that have finished rows to forget.
select distinct space_id from uploads
where space_id between %(low)s and %(high)s and state in ('uploaded', 'purged')
  and url_expires_at < %(before)s

-- name: explained_keys
-- Which of these keys a row of an upload explains, whatever its state: one index probe each.
select u.object_key
from unnest(%(object_keys)s::text[]) as asked(object_key)
cross join lateral (
  select object_key from uploads
  where space_id = %(space_id)s and object_key = asked.object_key
  limit 1
) u

-- name: uploads_of_keys
-- What the rows say of these keys' multipart uploads: one index probe each.
select u.object_key, u.s3_upload_id, u.state
from unnest(%(object_keys)s::text[]) as asked(object_key)
cross join lateral (
  select object_key, s3_upload_id, state from uploads
  where space_id = %(space_id)s and object_key = asked.object_key
  limit 1
) u
