-- What the last run of a job over a space found, and which spaces are due again.

-- name: spaces_due
-- bucket: spaces of a range of keys whose last finished run of a job is too long ago.
select s.space_id from spaces s
left join audits a on a.space_id = s.space_id and a.job = %(job)s
where s.space_id between %(low)s and %(high)s
  and (a.space_id is null or a.finished_at < %(before)s)
order by s.space_id limit %(limit)s

-- name: store_audit
-- The outcome of a run; only the last one is kept.
insert into audits (space_id, job, finished_at, found)
values (%(space_id)s, %(job)s, %(now)s, %(found)s)
on conflict (space_id, job) do update
  set finished_at = excluded.finished_at, found = excluded.found

-- name: sum_findings
-- bucket: figures of a job over a range of spaces, added up by name.
select f.key as name, sum(f.value::bigint)::bigint as total
from audits a cross join lateral jsonb_each_text(a.found) f
where a.space_id between %(low)s and %(high)s and a.job = %(job)s
group by f.key
