-- Work that must survive a restart, and the counter behind "what changed since".

create table jobs (
    id           blob    not null primary key,
    kind         text    not null,
    payload      text    not null,              -- JSON; ids only, no personal data
    state        text    not null check (state in ('queued', 'running', 'done', 'failed')),
    run_at       integer not null,
    attempts     integer not null,
    lease_until  integer,                       -- a running job whose lease ended is claimed again
    progress     real,                          -- 0 to 1
    error        text,                          -- a code, never a value
    created_at   integer not null,
    finished_at  integer
) strict;
create index jobs_due on jobs (state, run_at);

create table counters (
    name   text    not null primary key,
    value  integer not null
) strict;
insert into counters (name, value) values ('changes', 0);
