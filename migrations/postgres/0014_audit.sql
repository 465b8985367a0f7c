-- Runs over the invariants: the last results, and the days on which the nightly run was ordered.

create table audit_runs (
    id           bytea   not null primary key,  -- the job that made it
    at           bigint  not null,
    ledger_size  bigint  not null,              -- entries it looked at
    report       text    not null,              -- canonical JSON, RFC 8785
    hash         bytea   not null,              -- SHA-256 of the report, also in the ledger
    entry        bigint  not null               -- ledger index of its audit.run
);
create index audit_runs_at on audit_runs (at);

-- One row per day (UTC), so that of several nodes one orders the nightly run.
create table audit_nights (
    day  bigint  not null primary key
);
