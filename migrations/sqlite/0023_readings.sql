-- Who read about people, and the four eyes without which no record is opened.

-- One reading, explained; its entry in the ledger says the same. About whom is a keyed commitment.
create table readings (
    id          blob    not null primary key,
    at          integer not null,
    reader      blob    not null,   -- credential: an API key or a console user
    role        text    not null,
    what        text    not null,
    people      integer not null,   -- how many were shown
    commitment  blob    not null,
    entry       integer not null    -- ledger index of its officer.access
) strict;
create index readings_entry on readings (entry);

-- Entries before this were written by a program that kept no readings.
insert into counters (name, value)
select 'readings_since', coalesce(max(size), 0) from ledger_heads;

-- A request to open one account's record, and what a second officer said. Colocation key: subject.
create table openings (
    subject         blob    not null references accounts (subject) on delete cascade,
    id              blob    not null,
    asked_by        blob    not null,   -- credential
    reason          blob    not null,   -- under the account's data key
    asked_at        integer not null,
    expires_at      integer not null,   -- undecided: until when it can be; approved: until when it opens
    asked_entry     integer not null,
    decided_by      blob,               -- credential
    decided_at      integer,
    approved        integer check (approved in (0, 1)),
    alone           integer not null default 0 check (alone in (0, 1)),
    decided_entry   integer,
    primary key (subject, id)
) strict;
create index openings_id on openings (id);
create index openings_open on openings (expires_at);

-- What was decided stays decided.
create trigger openings_are_decided_once before update on openings
when old.decided_at is not null
begin
    select raise(abort, 'an opening is decided once');
end;
