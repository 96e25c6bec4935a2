-- name: append_journal
-- Journal rows of one transaction, from arrays of equal length.
insert into journal (space_id, seq, mark, node_id, change, kind, old_parent, new_parent, name,
                     version_id, author_user_id, at)
select %(space_id)s, t.seq, t.mark, t.node_id, t.change, t.kind, t.old_parent, t.new_parent,
       t.name, t.version_id, %(author)s, %(now)s
from unnest(%(seqs)s::bigint[], %(marks)s::bigint[], %(node_ids)s::bigint[],
            %(changes)s::text[], %(kinds)s::text[], %(old_parents)s::bigint[],
            %(new_parents)s::bigint[], %(names)s::text[], %(version_ids)s::bigint[])
  as t(seq, mark, node_id, change, kind, old_parent, new_parent, name, version_id);

-- name: journal_after
-- A page of the journal after one number.
select seq, mark, node_id, change, kind, old_parent, new_parent, name, version_id, at
from journal
where space_id = %(space_id)s and seq > %(seq)s
order by seq
limit %(limit)s;

-- name: journal_mark
-- The mark of one journal row.
select mark from journal where space_id = %(space_id)s and seq = %(seq)s;
