-- Models that wait until an officer has looked at what their columns could stand for.
alter table models add column held_at bigint;
alter table models add column cleared_at bigint;
alter table models add column cleared_entry bigint;              -- ledger index of "model.cleared"
alter table models add column cleared_reason text;            -- the officer's words; the entry holds their hash
