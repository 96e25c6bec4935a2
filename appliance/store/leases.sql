-- Leases of workers: who works on a key, by the primary's clock, with a number that fences.

-- name: acquire_lease
-- Takes the lease if nobody holds it; each holder's fence is larger than all before.
insert into leases (key, job, holder, fence, expires_at)
values (%(key)s, %(job)s, %(holder)s, 1, now() + %(seconds)s * interval '1 second')
on conflict (key, job) do update
  set holder = excluded.holder, fence = leases.fence + 1, expires_at = excluded.expires_at
  where leases.expires_at <= now()
returning fence

-- name: renew_lease
-- Goes on holding it; no row when it was lost, also when nobody has taken it yet.
update leases set expires_at = now() + %(seconds)s * interval '1 second'
where key = %(key)s and job = %(job)s and fence = %(fence)s and expires_at > now()
returning fence

-- name: hold_lease
-- First in each transaction of the holder: whoever would take the lease waits until it ends.
select fence from leases
where key = %(key)s and job = %(job)s and fence = %(fence)s and expires_at > now()
for share

-- name: release_lease
-- Free at once; the row stays, so that fences go on growing.
update leases set expires_at = now()
where key = %(key)s and job = %(job)s and fence = %(fence)s
