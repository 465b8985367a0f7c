-- The append-only Merkle log (RFC 6962). Leaves hold commitments, never personal data.
-- Every table carries a log id, so that a log can be closed and another begun.

-- One row per log; locked by whoever appends, so that leaves are numbered without gaps.
create table ledger_heads (
    log   text    not null primary key,
    size  bigint  not null
);
insert into ledger_heads (log, size) values ('main', 0);

create table ledger_entries (
    log   text    not null,
    idx   bigint  not null,
    leaf  bytea   not null,                     -- canonical JSON, RFC 8785
    primary key (log, idx)
);

-- Hashes of complete subtrees: `position` = level * 2^48 + index within the level.
create table ledger_nodes (
    log       text    not null,
    position  bigint  not null,
    hash      bytea   not null,
    primary key (log, position)
);

create table ledger_checkpoints (
    log         text    not null,
    size        bigint  not null,
    note        text    not null,               -- signed note, C2SP tlog-checkpoint
    created_at  bigint  not null,
    primary key (log, size)
);

create function ledger_is_append_only() returns trigger language plpgsql as $$
begin raise exception 'the ledger is append-only'; end $$;

create trigger ledger_entries_append_only before update or delete or truncate on ledger_entries
    for each statement execute function ledger_is_append_only();
create trigger ledger_nodes_append_only before update or delete or truncate on ledger_nodes
    for each statement execute function ledger_is_append_only();
create trigger ledger_checkpoints_append_only before update or delete or truncate on ledger_checkpoints
    for each statement execute function ledger_is_append_only();
create trigger ledger_heads_grow before update on ledger_heads
    for each row when (new.size < old.size) execute function ledger_is_append_only();
create trigger ledger_heads_no_delete before delete or truncate on ledger_heads
    for each statement execute function ledger_is_append_only();
