-- name: insert_trash
-- Where a node was when it went to the trash.
insert into trash (space_id, node_id, parent_id, name, trashed_by, trashed_at)
values (%(space_id)s, %(node_id)s, %(parent_id)s, %(name)s, %(trashed_by)s, %(now)s);

-- name: delete_trash
-- Nodes that left the trash, for either side.
delete from trash where space_id = %(space_id)s and node_id = any(%(node_ids)s::bigint[]);

-- name: trash_item
-- Where one trashed node was.
select node_id, parent_id, name, trashed_by, trashed_at from trash
where space_id = %(space_id)s and node_id = %(node_id)s;

-- name: trash_page
-- A page of the trash, latest first.
select node_id, parent_id, name, trashed_by, trashed_at from trash
where space_id = %(space_id)s
  and (trashed_at, node_id) < (%(before_at)s::timestamptz, %(before_node)s::bigint)
order by trashed_at desc, node_id desc
limit %(limit)s;

-- name: trash_before
-- The next items that were trashed up to a time, earliest first.
select t.node_id, t.name, n.kind
from trash t
join nodes n on n.space_id = %(space_id)s and n.node_id = t.node_id
where t.space_id = %(space_id)s and t.trashed_at <= %(before)s
order by t.trashed_at, t.node_id
limit %(limit)s;

-- name: spaces_with_trash
-- bucket: spaces of a range of keys that hold something trashed up to a time.
select distinct space_id from trash
where space_id between %(first_key)s and %(last_key)s and trashed_at <= %(before)s
limit %(limit)s;
