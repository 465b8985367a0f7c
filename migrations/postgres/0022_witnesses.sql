-- Witnesses: what they say about checkpoints (C2SP tlog-cosignature), and how far the log is
-- confirmed by enough of them.

create table ledger_cosignatures (
    log          text    not null,
    size         bigint  not null,              -- of the checkpoint
    witness      text    not null,              -- name of its key
    line         text    not null,              -- signature line of the note
    cosigned_at  bigint  not null,              -- by the witness's clock
    created_at   bigint  not null,
    primary key (log, size, witness)
);

create trigger ledger_cosignatures_append_only before update or delete or truncate
    on ledger_cosignatures for each statement execute function ledger_is_append_only();

-- Entries below `confirmed` may permit something; null: nobody is asked, all may. Those below
-- `confirmed_from` are from before witnesses were asked.
alter table ledger_heads add column confirmed bigint;
alter table ledger_heads add column confirmed_from bigint;
