-- name: claim_login
-- Takes a login, or finds who has it: the first claim wins, a repeated one reads its ids.
insert into logins (login_key, login, folded, user_id, created_at)
values (%(login_key)s, %(login)s, %(folded)s, %(user_id)s, %(now)s)
on conflict (login_key, folded) do update set login = logins.login
returning user_id

-- name: find_login
-- The user id behind a login.
select user_id from logins where login_key = %(login_key)s and folded = %(folded)s

-- name: list_users
-- The users of a bucket of keys, for the operator's list.
select user_id, login, password_hash, role, suspended_at, space_id, rev, created_at
from users where user_id >= %(first_key)s and user_id <= %(last_key)s

-- name: count_attempt
-- Counts one sign-in attempt before its password is looked at, so that many at once count too.
insert into signin_failures (login_key, folded, window_start, failures)
values (%(login_key)s, %(folded)s, %(now)s, 1)
on conflict (login_key, folded) do update set
  failures = case when signin_failures.window_start <= %(window_start)s then 1
                  else signin_failures.failures + 1 end,
  window_start = case when signin_failures.window_start <= %(window_start)s then %(now)s
                      else signin_failures.window_start end
returning failures, window_start

-- name: forget_attempts
-- A sign-in that succeeded clears the account's count.
delete from signin_failures where login_key = %(login_key)s and folded = %(folded)s

-- name: add_user
-- The user's row; a repeated call for the same claim changes nothing.
insert into users (user_id, login, password_hash, role, suspended_at, space_id, rev, created_at)
values (%(user_id)s, %(login)s, %(password_hash)s, %(role)s, null, %(space_id)s, 1, %(now)s)
on conflict (user_id) do nothing
returning user_id

-- name: add_outbox
-- Work for another key, in the same transaction as its cause.
insert into outbox (key, outbox_id, kind, target_key, payload, created_at)
values (%(key)s, %(outbox_id)s, %(kind)s, %(target_key)s, %(payload)s, %(now)s)

-- name: due_outbox
-- Outbox rows of a bucket of keys, oldest first.
select key, outbox_id, kind, target_key, payload from outbox
where key >= %(first_key)s and key <= %(last_key)s
order by created_at limit %(limit)s

-- name: drop_outbox
-- The row has been applied.
delete from outbox where key = %(key)s and outbox_id = %(outbox_id)s

-- name: user_by_id
-- The account.
select user_id, login, password_hash, role, suspended_at, space_id, rev, created_at
from users where user_id = %(user_id)s

-- name: set_password
-- A new password hash; the row's version grows.
update users set password_hash = %(password_hash)s, rev = rev + 1
where user_id = %(user_id)s returning rev

-- name: set_suspended
-- Suspends (a time) or resumes (null).
update users set suspended_at = %(suspended_at)s, rev = rev + 1
where user_id = %(user_id)s returning rev

-- name: add_token
-- A device signs in by a password that is still the user's; only the hash of its secret is kept.
-- A change of the password waits for this row, or this statement finds the change.
insert into tokens (user_id, token_id, secret_hash, device, created_at, used_at, expires_at)
select u.user_id, %(token_id)s, %(secret_hash)s, %(device)s, %(now)s, %(now)s, %(expires_at)s
from users u
where u.user_id = %(user_id)s and u.password_hash = %(password_hash)s and u.suspended_at is null
for share
returning token_id

-- name: token_with_user
-- What a request's token stands for, if it may still be used.
select t.secret_hash, t.device, t.used_at, t.expires_at, u.login, u.role, u.space_id, u.suspended_at
from tokens t join users u on u.user_id = t.user_id
where t.user_id = %(user_id)s and u.user_id = %(user_id)s and t.token_id = %(token_id)s
  and t.revoked_at is null and t.expires_at > %(now)s

-- name: touch_token
-- Coarse time of last use.
update tokens set used_at = %(now)s where user_id = %(user_id)s and token_id = %(token_id)s

-- name: live_tokens
-- The devices signed in.
select token_id, device, created_at, used_at, expires_at from tokens
where user_id = %(user_id)s and revoked_at is null and expires_at > %(now)s
order by used_at desc, token_id

-- name: revoke_token
-- Signs one device out.
update tokens set revoked_at = %(now)s
where user_id = %(user_id)s and token_id = %(token_id)s and revoked_at is null
returning token_id

-- name: revoke_tokens
-- Signs all devices out but one (0: all).
update tokens set revoked_at = %(now)s
where user_id = %(user_id)s and token_id <> %(keep)s and revoked_at is null
returning token_id

-- name: any_forgettable
-- Whether a bucket of keys holds tokens that ended, or counts of sign-ins whose window is long over.
select exists (
    select from tokens
    where user_id >= %(first_key)s and user_id <= %(last_key)s
      and (expires_at < %(ended_before)s or revoked_at < %(ended_before)s)
  ) or exists (
    select from signin_failures
    where login_key >= %(first_key)s and login_key <= %(last_key)s
      and window_start < %(window_before)s
  ) as found

-- name: forget_tokens
-- Tokens of a bucket of keys that expired or were revoked before a time.
delete from tokens t using (
  select user_id, token_id from tokens
  where user_id >= %(first_key)s and user_id <= %(last_key)s
    and (expires_at < %(ended_before)s or revoked_at < %(ended_before)s)
  limit %(limit)s
) ended
where t.user_id >= %(first_key)s and t.user_id <= %(last_key)s
  and t.user_id = ended.user_id and t.token_id = ended.token_id

-- name: forget_windows
-- Counts of sign-ins of a bucket of keys whose window began before a time.
delete from signin_failures f using (
  select login_key, folded from signin_failures
  where login_key >= %(first_key)s and login_key <= %(last_key)s
    and window_start < %(window_before)s
  limit %(limit)s
) ended
where f.login_key >= %(first_key)s and f.login_key <= %(last_key)s
  and f.login_key = ended.login_key and f.folded = ended.folded
  and f.window_start < %(window_before)s
