-- Witnesses: what they say about checkpoints (C2SP tlog-cosignature), and how far the log is
-- confirmed by enough of them.

create table ledger_cosignatures (
    log          text    not null,
    size         integer not null,              -- of the checkpoint
    witness      text    not null,              -- name of its key
    line         text    not null,              -- signature line of the note
    cosigned_at  integer not null,              -- by the witness's clock
    created_at   integer not null,
    primary key (log, size, witness)
) strict, without rowid;

create trigger ledger_cosignatures_no_update before update on ledger_cosignatures
begin select raise(abort, 'the ledger is append-only'); end;
create trigger ledger_cosignatures_no_delete before delete on ledger_cosignatures
begin select raise(abort, 'the ledger is append-only'); end;

-- Entries below `confirmed` may permit something; null: nobody is asked, all may. Those below
-- `confirmed_from` are from before witnesses were asked.
alter table ledger_heads add column confirmed integer;
alter table ledger_heads add column confirmed_from integer;
