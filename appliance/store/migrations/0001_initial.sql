-- Every table is keyed by space_id, user_id or another routed key, which comes first in each
-- primary key and unique index; nothing crosses it (docs/explanation/decisions/0002-keys.md).
-- Ids, times and random values come from the application. Sizes are bytes, times timestamptz.

-- ---------------------------------------------------------------- keyed by login_key (accounts)

-- Who has this login. Claimed before the user's row exists; a claim without a user is finished
-- by the next attempt to add the same login, which finds the ids here.
create table logins (
  login_key   bigint      not null,  -- ids.email_key(login)
  login       text        not null,  -- as typed, NFC; unique by its folded form below
  folded      text        not null,
  user_id     bigint      not null,
  created_at  timestamptz not null,
  primary key (login_key, folded)
);

-- Failed sign-ins of the current window, per account, whether or not the account exists.
create table signin_failures (
  login_key    bigint      not null,
  folded       text        not null,
  window_start timestamptz not null,
  failures     integer     not null,
  primary key (login_key, folded)
);

-- ---------------------------------------------------------------- keyed by user_id

create table users (
  user_id       bigint      not null primary key,
  login         text        not null,
  password_hash text        not null,  -- argon2id, PHC string
  role          text        not null check (role in ('user', 'admin')),
  suspended_at  timestamptz,
  space_id      bigint      not null,  -- the personal space
  rev           bigint      not null,  -- grows by one with every change, for the cache
  created_at    timestamptz not null
);

-- A session of a device: the token itself is never stored.
create table tokens (
  user_id     bigint      not null,
  token_id    bigint      not null,
  secret_hash bytea       not null,
  device      text        not null,
  created_at  timestamptz not null,
  used_at     timestamptz not null,  -- coarse: written at most once an hour
  expires_at  timestamptz not null,
  revoked_at  timestamptz,
  primary key (user_id, token_id)
);

-- Work that must reach another key; applied idempotently, then deleted.
create table outbox (
  key        bigint      not null,  -- the key of the rows written in the same transaction
  outbox_id  bigint      not null,
  kind       text        not null,
  target_key bigint      not null,
  payload    jsonb       not null,
  created_at timestamptz not null,
  primary key (key, outbox_id)
);

-- ---------------------------------------------------------------- keyed by space_id

-- The row that a commit locks, and nothing else does.
create table spaces (
  space_id      bigint      not null primary key,
  owner_user_id bigint      not null,
  kind          text        not null check (kind in ('personal', 'team')),
  seq           bigint      not null,  -- last journal number
  mark          bigint      not null,  -- the random mark of that journal row
  quota_bytes   bigint      not null,
  used_bytes    bigint      not null,  -- each blob that a version uses, once (blobs.charged)
  versions_kept integer     not null,
  share_epoch   bigint      not null default 0,
  created_at    timestamptz not null
);

-- A file, folder or symbolic link. Ids 1, 2 and 3 of every space are its root, its trash and
-- the place of what is being deleted for good; they have no row but the root, and no parent.
create table nodes (
  space_id   bigint      not null,
  node_id    bigint      not null,
  parent_id  bigint      not null,  -- 0 for the root
  name       text collate "C" not null,  -- NFC; bytes order it, whatever the host's locale
  folded     text collate "C" not null,  -- case twins share it
  kind       text        not null check (kind in ('file', 'folder', 'link')),
  flags      integer     not null,  -- names.flags(): bit 0 = a name Windows can't hold
  version_id bigint,                -- current version of a file
  size       bigint      not null,  -- of the current version; 0 for folders and links
  mtime_ns   bigint      not null,  -- client's, nanoseconds since 1970
  mode       integer     not null,  -- permission bits
  target     text,                  -- of a link, never followed
  rev        bigint      not null,  -- the space's seq of the last change of this row
  created_at timestamptz not null,
  primary key (space_id, node_id)
);
-- A node in the trash or being deleted is renamed to 'name/node_id', which no name can be.
create unique index nodes_by_name on nodes (space_id, parent_id, name);
-- Twins of a folder, and names found by how they begin.
create index nodes_by_fold on nodes (space_id, folded, parent_id, node_id);
-- How deep a tree of folders is can be asked without reading its files.
create index nodes_folders on nodes (space_id, parent_id) where kind = 'folder';
create index nodes_purging on nodes (space_id, node_id) where parent_id = 3;

-- Immutable content of a file at one time.
create table versions (
  space_id       bigint      not null,
  version_id     bigint      not null,
  node_id        bigint      not null,
  blob_id        bigint,               -- null: the empty file
  size           bigint      not null,
  sha256         bytea,                -- of the raw bytes; declared until blobs.sha256_confirmed
  mtime_ns       bigint      not null,
  mode           integer     not null,
  author_user_id bigint      not null,
  device         text        not null,
  created_at     timestamptz not null,
  primary key (space_id, version_id)
);
create index versions_by_node on versions (space_id, node_id, version_id desc);
create index versions_by_blob on versions (space_id, blob_id);

-- Stored bytes. A blob's id is its upload's id.
create table blobs (
  space_id         bigint      not null,
  blob_id          bigint      not null,
  object_key       text        not null,
  object_offset    bigint      not null default 0,  -- packs: where in the object it begins
  stored_size      bigint      not null,
  raw_size         bigint      not null,
  encoding         text        not null default 'identity' check (encoding in ('identity', 'zstd')),
  delta_base_id    bigint,
  class            smallint    not null,
  chunk_list       bytea       not null,  -- chunking.pack
  fingerprint      bytea       not null,
  proven           boolean     not null,  -- the store has checked every chunk
  sha256           bytea,
  sha256_confirmed boolean     not null default false,
  author_user_id   bigint      not null,
  state            text        not null check (state in ('live', 'dying', 'quarantined')),
  charged          boolean     not null,  -- counted in spaces.used_bytes
  fresh_until      timestamptz not null,  -- may be unused until then
  dying_at         timestamptz,
  scrubbed_at      timestamptz,
  created_at       timestamptz not null,
  primary key (space_id, blob_id)
);
create index blobs_by_fingerprint on blobs (space_id, fingerprint) where state = 'live';
create index blobs_unused on blobs (space_id, fresh_until) where state in ('live', 'quarantined') and not charged;
-- A key holds its space. With space_id before it this index would look as good as the primary key
-- to a planner that believes the table to be nearly empty, and a lookup by id read a whole space.
create index blobs_by_key on blobs (object_key);
create index blobs_to_judge on blobs (space_id, scrubbed_at) where state = 'quarantined' and proven;
create index blobs_dying on blobs (space_id, dying_at) where state = 'dying';

-- The session that turns a chunk list into a blob. (upload, part) -> (length, sha256) never
-- changes: it is chunk_list, written once with the row, before any object.
create table uploads (
  space_id       bigint      not null,
  upload_id      bigint      not null,
  author_user_id bigint      not null,
  fingerprint    bytea       not null,
  class          smallint    not null,
  size           bigint      not null,
  sha256         bytea,
  chunk_list     bytea       not null,
  chunk_count    integer     not null,
  method         text        not null check (method in ('single', 'multipart')),
  object_key     text        not null,
  s3_upload_id   text,
  state          text        not null check (state in ('reserved', 'uploading', 'completing', 'uploaded', 'aborting', 'purged')),
  fence          bigint      not null default 0,  -- grows with each claim; guards the way out of completing
  base_blob_id   bigint,                -- pinned while the upload is open
  reserved_bytes bigint      not null,  -- counts against the quota while bytes may come
  active_at      timestamptz not null,
  url_expires_at timestamptz not null,  -- of the latest signed URL
  created_at     timestamptz not null,
  primary key (space_id, upload_id)
);
create index uploads_by_fingerprint on uploads (space_id, author_user_id, fingerprint) where state in ('reserved', 'uploading', 'completing');
create index uploads_open on uploads (space_id, active_at) where state in ('reserved', 'uploading', 'completing', 'aborting');
create index uploads_by_key on uploads (object_key);  -- as blobs_by_key
create index uploads_undone on uploads (space_id, url_expires_at) where state in ('aborting', 'purged') and method = 'single';
create index uploads_tombstones on uploads (space_id, url_expires_at) where state in ('uploaded', 'purged');

-- What the store has confirmed of a multipart upload's parts.
create table parts (
  space_id    bigint      not null,
  upload_id   bigint      not null,
  part_no     integer     not null,
  etag        text        not null,
  recorded_at timestamptz not null,
  primary key (space_id, upload_id, part_no)
);

-- The space's journal: what sync clients read.
create table journal (
  space_id   bigint      not null,
  seq        bigint      not null,
  mark       bigint      not null,  -- random; tells a fork after a restore or a lost fail-over
  node_id    bigint      not null,
  change     text        not null check (change in ('create', 'content', 'move', 'meta', 'trash', 'restore', 'delete')),
  kind       text        not null,
  old_parent bigint,
  new_parent bigint,
  name       text        not null,  -- after the change
  version_id bigint,
  author_user_id bigint  not null,
  at         timestamptz not null,
  primary key (space_id, seq)
);

-- Where a trashed node was. The node itself has parent 2.
create table trash (
  space_id   bigint      not null,
  node_id    bigint      not null,
  parent_id  bigint      not null,
  name       text        not null,
  trashed_by bigint      not null,
  trashed_at timestamptz not null,
  primary key (space_id, node_id)
);
create index trash_by_time on trash (space_id, trashed_at, node_id);

-- Answers of POSTs that create, by the caller's Idempotency-Key. URLs are never kept here.
create table idempotency (
  space_id     bigint      not null,
  user_id      bigint      not null,
  key          text        not null,
  request_hash bytea       not null,
  answer       jsonb       not null,
  created_at   timestamptz not null,
  primary key (space_id, user_id, key)
);
create index idempotency_by_time on idempotency (space_id, created_at);

-- Leases of workers: the primary's clock, and a number that fences each later step.
create table leases (
  key        bigint      not null,  -- a space, or the first id of a bucket
  job        text        not null,
  holder     text        not null,
  fence      bigint      not null,
  expires_at timestamptz not null,
  primary key (key, job)
);

-- What the last run of a worker's job over a space found; figures of orphans come from here.
create table audits (
  space_id    bigint      not null,
  job         text        not null,
  finished_at timestamptz not null,
  found       jsonb       not null,
  primary key (space_id, job)
);
