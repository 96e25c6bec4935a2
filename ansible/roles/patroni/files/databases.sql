-- For psql. What a cluster must hold besides Patroni's own; prints a line for each thing it made.
select 'create role stowbay login' where not exists (select from pg_roles where rolname = 'stowbay') \gexec
select 'create role prometheus login' where not exists (select from pg_roles where rolname = 'prometheus') \gexec
select 'grant pg_monitor to prometheus' where not pg_has_role('prometheus', 'pg_monitor', 'member') \gexec
select 'grant pg_read_all_stats to stowbay' where not pg_has_role('stowbay', 'pg_read_all_stats', 'member') \gexec
select 'create database stowbay owner stowbay' where not exists (select from pg_database where datname = 'stowbay') \gexec
