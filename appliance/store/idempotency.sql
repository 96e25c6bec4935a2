-- name: stored_answer
-- What was answered to a caller's Idempotency-Key, and the hash of the request it belongs to.
select request_hash, answer from idempotency
where space_id = %(space_id)s and user_id = %(user_id)s and key = %(key)s;

-- name: store_answer
-- Kept in the transaction of the write it answers.
insert into idempotency (space_id, user_id, key, request_hash, answer, created_at)
values (%(space_id)s, %(user_id)s, %(key)s, %(request_hash)s, %(answer)s, %(now)s);

-- name: expire_answers
-- A bounded number of answers that are older than a client repeats a request.
delete from idempotency
where space_id = %(space_id)s and (user_id, key) in (
  select user_id, key from idempotency
  where space_id = %(space_id)s and created_at < %(before)s
  order by created_at
  limit %(limit)s
);

-- name: spaces_with_answers
-- bucket: spaces of a range of keys that hold answers older than a time.
select distinct space_id from idempotency
where space_id between %(first_key)s and %(last_key)s and created_at < %(before)s
limit %(limit)s;
