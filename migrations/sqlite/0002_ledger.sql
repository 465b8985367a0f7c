-- The append-only Merkle log (RFC 6962). Leaves hold commitments, never personal data.
-- Every table carries a log id, so that a log can be closed and another begun.

-- One row per log; locked by whoever appends, so that leaves are numbered without gaps.
create table ledger_heads (
    log   text    not null primary key,
    size  integer not null
) strict;
insert into ledger_heads (log, size) values ('main', 0);

create table ledger_entries (
    log   text    not null,
    idx   integer not null,
    leaf  blob    not null,                     -- canonical JSON, RFC 8785
    primary key (log, idx)
) strict, without rowid;

-- Hashes of complete subtrees: `position` = level * 2^48 + index within the level.
create table ledger_nodes (
    log       text    not null,
    position  integer not null,
    hash      blob    not null,
    primary key (log, position)
) strict, without rowid;

create table ledger_checkpoints (
    log         text    not null,
    size        integer not null,
    note        text    not null,               -- signed note, C2SP tlog-checkpoint
    created_at  integer not null,
    primary key (log, size)
) strict, without rowid;

create trigger ledger_entries_no_update before update on ledger_entries
begin select raise(abort, 'the ledger is append-only'); end;
create trigger ledger_entries_no_delete before delete on ledger_entries
begin select raise(abort, 'the ledger is append-only'); end;
create trigger ledger_nodes_no_update before update on ledger_nodes
begin select raise(abort, 'the ledger is append-only'); end;
create trigger ledger_nodes_no_delete before delete on ledger_nodes
begin select raise(abort, 'the ledger is append-only'); end;
create trigger ledger_checkpoints_no_update before update on ledger_checkpoints
begin select raise(abort, 'the ledger is append-only'); end;
create trigger ledger_checkpoints_no_delete before delete on ledger_checkpoints
begin select raise(abort, 'the ledger is append-only'); end;
create trigger ledger_heads_grow before update on ledger_heads when new.size < old.size
begin select raise(abort, 'the ledger is append-only'); end;
create trigger ledger_heads_no_delete before delete on ledger_heads
begin select raise(abort, 'the ledger is append-only'); end;
