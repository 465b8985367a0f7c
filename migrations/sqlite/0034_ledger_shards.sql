-- The log goes on in another tree every calendar year. Entries, checkpoints and cosignatures keep the
-- numbers of the whole log; `ledger_nodes.log` names the tree: that of the first shard is 'main', that
-- of a later one its year.

create table ledger_shards (
    log     text    not null,
    before  integer not null,                   -- entries of all shards before it
    year    integer not null,                   -- the last calendar year (UTC) it takes entries in
    primary key (log, before),
    unique (log, year)
) strict, without rowid;

create trigger ledger_shards_no_update before update on ledger_shards
begin select raise(abort, 'the ledger is append-only'); end;
create trigger ledger_shards_no_delete before delete on ledger_shards
begin select raise(abort, 'the ledger is append-only'); end;

-- The shard that is open, so that whoever holds the head knows it; 0: nothing is in the log yet.
alter table ledger_heads add column before integer not null default 0;
alter table ledger_heads add column year integer not null default 0;
-- Since when the clock has been further than the next year (microseconds); null: it is not.
alter table ledger_heads add column ahead integer;

create trigger ledger_heads_turn before update on ledger_heads
when new.before < old.before or new.year < old.year
begin select raise(abort, 'the ledger is append-only'); end;

-- What is there already is the first shard, and takes entries until the year of its last ends.
update ledger_heads
set year = (select coalesce(cast(strftime('%Y', max(created_at) / 1000000, 'unixepoch') as integer), 0)
            from ledger_checkpoints where ledger_checkpoints.log = ledger_heads.log)
where size > 0;
insert into ledger_shards (log, before, year)
    select log, 0, year from ledger_heads where size > 0;
