-- Runs over the invariants: the last results, and the days on which the nightly run was ordered.

create table audit_runs (
    id           blob    not null primary key,  -- the job that made it
    at           integer not null,
    ledger_size  integer not null,              -- entries it looked at
    report       text    not null,              -- canonical JSON, RFC 8785
    hash         blob    not null,              -- SHA-256 of the report, also in the ledger
    entry        integer not null               -- ledger index of its audit.run
) strict;
create index audit_runs_at on audit_runs (at);

-- One row per day (UTC), so that of several nodes one orders the nightly run.
create table audit_nights (
    day  integer not null primary key
) strict;
