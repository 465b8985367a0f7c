-- Work that must survive a restart, and the counter behind "what changed since".

create table jobs (
    id           bytea   not null primary key,
    kind         text    not null,
    payload      text    not null,              -- JSON; ids only, no personal data
    state        text    not null check (state in ('queued', 'running', 'done', 'failed')),
    run_at       bigint  not null,
    attempts     bigint  not null,
    lease_until  bigint,                        -- a running job whose lease ended is claimed again
    progress     double precision,              -- 0 to 1
    error        text,                          -- a code, never a value
    created_at   bigint  not null,
    finished_at  bigint
);
create index jobs_due on jobs (state, run_at);

create table counters (
    name   text    not null primary key,
    value  bigint  not null
);
insert into counters (name, value) values ('changes', 0);
