-- An account that goes with all it has. For the doctor's own, which nobody else knows of.

-- name: remove_space
-- Every row of the space, whatever the table.
with
  gone_nodes as (delete from nodes where space_id = %(space_id)s),
  gone_versions as (delete from versions where space_id = %(space_id)s),
  gone_blobs as (delete from blobs where space_id = %(space_id)s),
  gone_heals as (delete from heals where space_id = %(space_id)s),
  gone_uploads as (delete from uploads where space_id = %(space_id)s),
  gone_parts as (delete from parts where space_id = %(space_id)s),
  gone_journal as (delete from journal where space_id = %(space_id)s),
  gone_trash as (delete from trash where space_id = %(space_id)s),
  gone_idempotency as (delete from idempotency where space_id = %(space_id)s),
  gone_audits as (delete from audits where space_id = %(space_id)s),
  gone_outbox as (delete from outbox where key = %(key)s),
  gone_leases as (delete from leases where key = %(key)s)
delete from spaces where space_id = %(space_id)s

-- name: remove_user
-- Every row of the user; what the login's key holds is a statement of its own.
with
  gone_tokens as (delete from tokens where user_id = %(user_id)s),
  gone_outbox as (delete from outbox where key = %(key)s)
delete from users where user_id = %(user_id)s

-- name: remove_login
-- The name is free again.
with
  gone_failures as (
    delete from signin_failures where login_key = %(login_key)s and folded = %(folded)s)
delete from logins where login_key = %(login_key)s and folded = %(folded)s
