-- Who read about people, and the four eyes without which no record is opened.

-- One reading, explained; its entry in the ledger says the same. About whom is a keyed commitment.
create table readings (
    id          bytea   not null primary key,
    at          bigint not null,
    reader      bytea   not null,   -- credential: an API key or a console user
    role        text    not null,
    what        text    not null,
    people      bigint not null,   -- how many were shown
    commitment  bytea   not null,
    entry       bigint not null    -- ledger index of its officer.access
);
create index readings_entry on readings (entry);

-- Entries before this were written by a program that kept no readings.
insert into counters (name, value)
select 'readings_since', coalesce(max(size), 0) from ledger_heads;

-- A request to open one account's record, and what a second officer said. Colocation key: subject.
create table openings (
    subject         bytea   not null references accounts (subject) on delete cascade,
    id              bytea   not null,
    asked_by        bytea   not null,   -- credential
    reason          bytea   not null,   -- under the account's data key
    asked_at        bigint not null,
    expires_at      bigint not null,   -- undecided: until when it can be; approved: until when it opens
    asked_entry     bigint not null,
    decided_by      bytea,               -- credential
    decided_at      bigint,
    approved        bigint check (approved in (0, 1)),
    alone           bigint not null default 0 check (alone in (0, 1)),
    decided_entry   bigint,
    primary key (subject, id)
);
create index openings_id on openings (id);
create index openings_open on openings (expires_at);

-- What was decided stays decided.
create function openings_are_decided_once() returns trigger language plpgsql as $$
begin raise exception 'an opening is decided once'; end $$;

create trigger openings_are_decided_once before update on openings
for each row when (old.decided_at is not null) execute function openings_are_decided_once();
