-- The release before goes on beside it: it writes no rows here, so what it stores meanwhile isn't
-- looked at.

-- New blobs that some drive of the store may lack: it was away when they were written
-- (docs/explanation/decisions/0011-healing-after-an-outage.md).
create table heals (
  space_id   bigint      not null,
  blob_id    bigint      not null,
  object_key text        not null,
  created_at timestamptz not null,
  primary key (space_id, blob_id)
);

-- What was there already may lack a drive, too.
insert into heals (space_id, blob_id, object_key, created_at)
select space_id, blob_id, object_key, created_at from blobs where state <> 'dying';
