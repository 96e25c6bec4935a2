-- Blobs as they are read back: which, and what became of it.

-- name: scrub_sample
-- Quarantined blobs that nobody has read of late (they wait for a verdict), then those that were
-- not read for longest.
select blob_id, object_key, object_offset, stored_size, raw_size, class, chunk_list, sha256,
  sha256_confirmed, proven, state
from blobs
where space_id = %(space_id)s and encoding = 'identity'
  and ((state = 'quarantined' and proven
        and (scrubbed_at is null or scrubbed_at < %(judged_before)s))
    or (state = 'live' and (scrubbed_at is null or scrubbed_at < %(before)s)))
order by (state = 'quarantined') desc, scrubbed_at nulls first, blob_id limit %(limit)s

-- name: scrub_rows
-- What is to be read of these blobs, if they haven't died.
select blob_id, object_key, object_offset, stored_size, raw_size, class, chunk_list, sha256,
  sha256_confirmed, proven, state
from blobs
where space_id = %(space_id)s and blob_id = any(%(blob_ids)s)
  and encoding = 'identity' and state in ('live', 'quarantined')

-- name: spaces_with_quarantined
-- bucket: spaces of a range of keys where a report waits for a verdict.
select distinct space_id from blobs
where space_id between %(low)s and %(high)s and state = 'quarantined' and proven
  and (scrubbed_at is null or scrubbed_at < %(judged_before)s)

-- name: scrub_passed
-- Every chunk and the whole were read and are right; a quarantine for nothing ends.
update blobs set scrubbed_at = %(now)s, proven = true, state = 'live',
  sha256 = %(sha256)s, sha256_confirmed = true
where space_id = %(space_id)s and blob_id = %(blob_id)s and state in ('live', 'quarantined')
returning blob_id

-- name: correct_sums
-- Versions whose sum was only declared, and isn't what the blob's bytes have.
update versions set sha256 = %(sha256)s
where space_id = %(space_id)s and blob_id = %(blob_id)s and sha256 is distinct from %(sha256)s

-- name: scrub_failed
-- The stored bytes aren't what the row says; stays so until the operator has seen to it.
update blobs set scrubbed_at = %(now)s, state = 'quarantined', proven = false
where space_id = %(space_id)s and blob_id = %(blob_id)s and state in ('live', 'quarantined')
returning blob_id

-- name: scrub_unreadable
-- The store has it and can't give it; what it is stays open until it is read again.
update blobs set scrubbed_at = %(now)s
where space_id = %(space_id)s and blob_id = %(blob_id)s and state in ('live', 'quarantined')
returning blob_id
