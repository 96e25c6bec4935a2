-- How long work has been waiting, for the doctor: one look at a bucket of keys.

-- name: waiting
-- bucket: the oldest of what waits, and how many spaces no comparison has reached in time.
select
  (select count(*) from uploads u where u.space_id between %(low)s and %(high)s
     and u.state in ('completing', 'aborting') and u.active_at < %(stuck_before)s) as uploads,
  (select count(*) from outbox o where o.key between %(low)s and %(high)s
     and o.created_at < %(stuck_before)s) as outbox,
  (select count(*) from blobs b where b.space_id between %(low)s and %(high)s
     and b.state = 'dying' and b.dying_at < %(dying_before)s) as blobs,
  (select count(*) from trash t where t.space_id between %(low)s and %(high)s
     and t.trashed_at < %(trashed_before)s) as trash,
  (select count(*) from spaces s
     left join audits a on a.space_id = s.space_id and a.job = %(job)s
     where s.space_id between %(low)s and %(high)s and s.created_at < %(compared_before)s
       and coalesce(a.finished_at, s.created_at) < %(compared_before)s) as comparisons
