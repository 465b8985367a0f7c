-- How many ranks of a list had lost their row before it was handed out that far: all others that are gone
-- are recalled. Null where it was not counted.
alter table list_served add column gone bigint;
