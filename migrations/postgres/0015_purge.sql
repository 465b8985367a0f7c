-- The change up to which marks of removed accounts were forgotten: a table in memory that has seen
-- less starts anew.
insert into counters (name, value) values ('removed_forgotten', 0);
