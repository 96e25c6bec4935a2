-- Rows that are looked up for other rows or by an array of ids are looked up by LATERAL, one index
-- probe each, whatever the planner believes of tables that were nearly empty when it looked last:
-- a plain join lets it guess that a way up has thousands of rows and read the whole table, and
-- `= any(array)` may read all of a space. `between x and x order by ... limit 1` is the equality in
-- words that only the index on that very column can answer: of equal costs, the planner takes the
-- path that is in order. (store/pools.py takes the sequential scan away.)

-- name: nodes_by_id
-- Nodes by id, each with what its current version and its blob say, and whether it has a twin.
select n.node_id, n.parent_id, n.name, n.kind, n.flags, n.version_id, n.size, n.mtime_ns, n.mode,
       n.target, n.rev, n.created_at, v.sha256, b.state as blob_state,
       exists (
         select from nodes t
         where t.space_id = %(space_id)s and t.folded = n.folded and t.parent_id = n.parent_id
           and t.node_id <> n.node_id
       ) as twin
from unnest(%(node_ids)s::bigint[]) as asked(node_id)
cross join lateral (
  select * from nodes
  where space_id = %(space_id)s and node_id between asked.node_id and asked.node_id
  order by node_id limit 1
) n
left join lateral (
  select blob_id, sha256 from versions
  where space_id = %(space_id)s and version_id between n.version_id and n.version_id
  order by version_id limit 1
) v on true
left join lateral (
  select state from blobs
  where space_id = %(space_id)s and blob_id between v.blob_id and v.blob_id
  order by blob_id limit 1
) b on true;

-- name: children
-- A page of a folder's children by name, after one name.
select n.node_id, n.parent_id, n.name, n.kind, n.flags, n.version_id, n.size, n.mtime_ns, n.mode,
       n.target, n.rev, n.created_at, v.sha256, b.state as blob_state,
       exists (
         select from nodes t
         where t.space_id = %(space_id)s and t.folded = n.folded and t.parent_id = n.parent_id
           and t.node_id <> n.node_id
       ) as twin
from nodes n
left join lateral (
  select blob_id, sha256 from versions
  where space_id = %(space_id)s and version_id between n.version_id and n.version_id
  order by version_id limit 1
) v on true
left join lateral (
  select state from blobs
  where space_id = %(space_id)s and blob_id between v.blob_id and v.blob_id
  order by blob_id limit 1
) b on true
where n.space_id = %(space_id)s and n.parent_id = %(parent_id)s and n.name > %(after)s
order by n.name
limit %(limit)s;

-- name: children_of
-- A page of the children of several folders by folder and name, after one pair. Each folder is
-- read for itself, in the order of ids, so that the limit stops the reading.
select n.node_id, n.parent_id, n.name, n.kind, n.flags, n.version_id, n.size, n.mtime_ns, n.mode,
       n.target, n.rev, n.created_at, v.sha256, b.state as blob_state,
       exists (
         select from nodes t
         where t.space_id = %(space_id)s and t.folded = n.folded and t.parent_id = n.parent_id
           and t.node_id <> n.node_id
       ) as twin
from (
  select c.*
  from (
    select distinct parent_id from unnest(%(parent_ids)s::bigint[]) as folder(parent_id)
    where parent_id >= %(after_parent)s
    order by parent_id
  ) p
  cross join lateral (
    select * from nodes
    where space_id = %(space_id)s and parent_id = p.parent_id
      and name > case when p.parent_id = %(after_parent)s then %(after_name)s::text else '' end
    order by name
    limit %(limit)s
  ) c
  order by p.parent_id, c.name
  limit %(limit)s
) n
left join lateral (
  select blob_id, sha256 from versions
  where space_id = %(space_id)s and version_id between n.version_id and n.version_id
  order by version_id limit 1
) v on true
left join lateral (
  select state from blobs
  where space_id = %(space_id)s and blob_id between v.blob_id and v.blob_id
  order by blob_id limit 1
) b on true
where n.space_id = %(space_id)s
order by n.parent_id, n.name;

-- name: ancestors
-- The way up from several nodes as edges, shared ones once: (node, parent, kind).
with recursive up (node_id, parent_id, kind) as (
  select n.node_id, n.parent_id, n.kind
  from unnest(%(node_ids)s::bigint[]) as asked(node_id)
  cross join lateral (
    select node_id, parent_id, kind from nodes
    where space_id = %(space_id)s and node_id between asked.node_id and asked.node_id
    order by node_id limit 1
  ) n
  union
  select n.node_id, n.parent_id, n.kind
  from up cross join lateral (
    select node_id, parent_id, kind from nodes
    where space_id = %(space_id)s and node_id between up.parent_id and up.parent_id
    order by node_id limit 1
  ) n
)
select node_id, parent_id, kind from up;

-- name: at_path
-- The node at a path: one index probe for each name, from the root down.
with recursive walk (depth, node_id) as (
  select 0, 1::bigint
  union all
  select walk.depth + 1, n.node_id
  from walk cross join lateral (
    select node_id from nodes
    where space_id = %(space_id)s and parent_id = walk.node_id
      and name = (%(names)s::text[])[walk.depth + 1]
    limit 1
  ) n
  where walk.depth < cardinality(%(names)s::text[])
)
select n.node_id, n.parent_id, n.name, n.kind, n.flags, n.version_id, n.size, n.mtime_ns, n.mode,
       n.target, n.rev, n.created_at, v.sha256, b.state as blob_state,
       exists (
         select from nodes t
         where t.space_id = %(space_id)s and t.folded = n.folded and t.parent_id = n.parent_id
           and t.node_id <> n.node_id
       ) as twin
from walk
cross join lateral (
  select * from nodes
  where space_id = %(space_id)s and node_id between walk.node_id and walk.node_id
  order by node_id limit 1
) n
left join lateral (
  select blob_id, sha256 from versions
  where space_id = %(space_id)s and version_id between n.version_id and n.version_id
  order by version_id limit 1
) v on true
left join lateral (
  select state from blobs
  where space_id = %(space_id)s and blob_id between v.blob_id and v.blob_id
  order by blob_id limit 1
) b on true
where walk.depth = cardinality(%(names)s::text[]);

-- name: named
-- What several (folder, name) pairs hold now, with the blob of a file's current version.
select n.node_id, n.parent_id, n.name, n.kind, n.version_id, n.rev, n.size, n.mtime_ns, n.mode,
       n.target, v.blob_id
from unnest(%(parent_ids)s::bigint[], %(names)s::text[]) as asked(parent_id, name)
cross join lateral (
  select * from nodes
  where space_id = %(space_id)s and parent_id = asked.parent_id and name = asked.name
  limit 1
) n
left join lateral (
  select blob_id, sha256 from versions
  where space_id = %(space_id)s and version_id between n.version_id and n.version_id
  order by version_id limit 1
) v on true;

-- name: find_prefix
-- A page of names up to one (folded), in the order of the index. The start is one bound, not two:
-- the index would begin at the looser one.
select folded, parent_id, node_id
from nodes
where space_id = %(space_id)s and folded < %(high)s
  and (folded, parent_id, node_id) > (%(after_folded)s, %(after_parent)s, %(after_node)s)
order by folded, parent_id, node_id
limit %(limit)s;

-- name: find_inside
-- A page of the names that hold the text (folded) elsewhere than at their beginning.
select folded, parent_id, node_id
from nodes
where space_id = %(space_id)s and strpos(folded, %(text)s) > 1
  and (folded, parent_id, node_id) > (%(after_folded)s, %(after_parent)s, %(after_node)s)
order by folded, parent_id, node_id
limit %(limit)s;

-- name: subtree
-- A folder's nodes from the top down, itself first, up to a limit.
with recursive below (depth, node_id) as (
  select 0, %(node_id)s::bigint
  union all
  select below.depth + 1, n.node_id
  from below cross join lateral (
    select node_id from nodes where space_id = %(space_id)s and parent_id = below.node_id
    offset 0
  ) n
)
select n.node_id, n.parent_id, n.name, n.folded, n.kind, n.flags, n.version_id, n.size,
       n.mtime_ns, n.mode, n.target, v.blob_id, v.sha256
from (select depth, node_id from below limit %(limit)s) found
cross join lateral (
  select * from nodes
  where space_id = %(space_id)s and node_id between found.node_id and found.node_id
  order by node_id limit 1
) n
left join lateral (
  select blob_id, sha256 from versions
  where space_id = %(space_id)s and version_id between n.version_id and n.version_id
  order by version_id limit 1
) v on true
order by found.depth, n.parent_id, n.node_id;

-- name: height
-- How many levels of folders lie below a folder, looked for down to a bound.
with recursive below (depth, node_id) as (
  select 0, %(node_id)s::bigint
  union all
  select below.depth + 1, n.node_id
  from below cross join lateral (
    select node_id from nodes
    where space_id = %(space_id)s and parent_id = below.node_id and kind = 'folder'
    offset 0
  ) n
  where below.depth < %(bound)s
)
select max(depth) as height from below;

-- name: insert_nodes
-- New nodes, from arrays of equal length.
insert into nodes (space_id, node_id, parent_id, name, folded, kind, flags, version_id, size,
                   mtime_ns, mode, target, rev, created_at)
select %(space_id)s, t.node_id, t.parent_id, t.name, t.folded, t.kind, t.flags, t.version_id,
       t.size, t.mtime_ns, t.mode, t.target, t.rev, %(now)s
from unnest(%(node_ids)s::bigint[], %(parent_ids)s::bigint[], %(names)s::text[],
            %(foldeds)s::text[], %(kinds)s::text[], %(flags)s::integer[],
            %(version_ids)s::bigint[], %(sizes)s::bigint[], %(mtimes)s::bigint[],
            %(modes)s::integer[], %(targets)s::text[], %(revs)s::bigint[])
  as t(node_id, parent_id, name, folded, kind, flags, version_id, size, mtime_ns, mode, target,
       rev);

-- name: set_content
-- New current versions of files, or new targets of links, from arrays of equal length.
update nodes n
set version_id = t.version_id, size = t.size, mtime_ns = t.mtime_ns, mode = t.mode,
    target = t.target, rev = t.rev
from unnest(%(node_ids)s::bigint[], %(version_ids)s::bigint[], %(sizes)s::bigint[],
            %(mtimes)s::bigint[], %(modes)s::integer[], %(targets)s::text[],
            %(revs)s::bigint[])
  as t(node_id, version_id, size, mtime_ns, mode, target, rev)
where n.space_id = %(space_id)s and n.node_id = t.node_id;

-- name: place_nodes
-- Other parents and names, from arrays of equal length.
update nodes n
set parent_id = t.parent_id, name = t.name, folded = t.folded, flags = t.flags, rev = t.rev
from unnest(%(node_ids)s::bigint[], %(parent_ids)s::bigint[], %(names)s::text[],
            %(foldeds)s::text[], %(flags)s::integer[], %(revs)s::bigint[])
  as t(node_id, parent_id, name, folded, flags, rev)
where n.space_id = %(space_id)s and n.node_id = t.node_id;

-- name: set_meta
-- Mode and time of one node.
update nodes set mode = %(mode)s, mtime_ns = %(mtime_ns)s, rev = %(rev)s
where space_id = %(space_id)s and node_id = %(node_id)s;

-- name: purging
-- The next nodes that lie directly in the place of what is being deleted.
select node_id, parent_id, kind from nodes
where space_id = %(space_id)s and parent_id = 3
order by node_id
limit %(limit)s;

-- name: purging_children
-- The next nodes below folders that are being deleted, by folder.
select c.node_id, c.parent_id, c.kind
from unnest(%(parent_ids)s::bigint[]) with ordinality as p(parent_id, place)
cross join lateral (
  select node_id, parent_id, kind from nodes
  where space_id = %(space_id)s and parent_id = p.parent_id
  limit %(limit)s
) c
order by p.place
limit %(limit)s;

-- name: sink_nodes
-- Folders below a deleted one become deleted ones themselves; nothing but the id names them.
update nodes
set parent_id = 3, name = '/' || node_id::text, folded = '/' || node_id::text
where space_id = %(space_id)s and node_id = any(%(node_ids)s::bigint[]);

-- name: delete_nodes
-- Nodes that nothing lies below and no version belongs to any more.
delete from nodes where space_id = %(space_id)s and node_id = any(%(node_ids)s::bigint[]);

-- name: spaces_purging
-- bucket: spaces of a range of keys with something to delete for good.
select distinct space_id from nodes
where space_id between %(first_key)s and %(last_key)s and parent_id = 3
limit %(limit)s;
