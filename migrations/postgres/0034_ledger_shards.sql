-- The log goes on in another tree every calendar year. Entries, checkpoints and cosignatures keep the
-- numbers of the whole log; `ledger_nodes.log` names the tree: that of the first shard is 'main', that
-- of a later one its year.

create table ledger_shards (
    log     text    not null,
    before  bigint  not null,                   -- entries of all shards before it
    year    bigint  not null,                   -- the last calendar year (UTC) it takes entries in
    primary key (log, before),
    unique (log, year)
);

create trigger ledger_shards_append_only before update or delete or truncate on ledger_shards
    for each statement execute function ledger_is_append_only();

-- The shard that is open, so that whoever holds the head knows it; 0: nothing is in the log yet.
alter table ledger_heads add column before bigint not null default 0;
alter table ledger_heads add column year bigint not null default 0;
-- Since when the clock has been further than the next year (microseconds); null: it is not.
alter table ledger_heads add column ahead bigint;

create trigger ledger_heads_turn before update on ledger_heads
    for each row when (new.before < old.before or new.year < old.year)
    execute function ledger_is_append_only();

-- What is there already is the first shard, and takes entries until the year of its last ends.
update ledger_heads
set year = (select coalesce(extract(year from to_timestamp(max(created_at) / 1000000)
                                          at time zone 'UTC'), 0)
            from ledger_checkpoints where ledger_checkpoints.log = ledger_heads.log)
where size > 0;
insert into ledger_shards (log, before, year)
    select log, 0, year from ledger_heads where size > 0;
