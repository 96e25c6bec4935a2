-- The queue of new blobs that each drive of the store must have got.

-- name: spaces_with_heals
-- bucket: spaces of a range of keys that have any.
select distinct space_id from heals
where space_id between %(low)s and %(high)s
order by space_id limit %(limit)s

-- name: waiting_heals
-- The oldest first, as ids rise.
select blob_id, object_key from heals
where space_id = %(space_id)s
order by blob_id limit %(limit)s

-- name: count_late_heals
-- bucket: those of a range of keys that wait longer than an outage of a moment explains.
select count(*) from heals
where space_id between %(low)s and %(high)s and created_at < %(before)s

-- name: healed
-- Taken off; also those that are gone by now.
delete from heals where space_id = %(space_id)s and blob_id = any(%(blob_ids)s)
