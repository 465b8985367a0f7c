-- Models that wait until an officer has looked at what their columns could stand for.
alter table models add column held_at integer;
alter table models add column cleared_at integer;
alter table models add column cleared_entry integer;              -- ledger index of "model.cleared"
alter table models add column cleared_reason text;            -- the officer's words; the entry holds their hash
