-- Impact assessments that were attached (GDPR Art. 35), and breaches with their clock (Art. 33).

create table assessments (
    purpose      text    not null,
    entry        integer not null,   -- ledger index of its impact.assessed
    name         text    not null,   -- the operator's own
    sha256       blob    not null,   -- of the document, which stays with the operator
    attached_at  integer not null,
    primary key (purpose, entry)
) strict;

create table incidents (
    id          blob    not null primary key,
    from_at     integer not null,
    to_at       integer not null,
    with_keys   integer not null check (with_keys in (0, 1)),
    accounts    integer not null,    -- affected, as measured then
    noticed_at  integer not null,
    due_at      integer not null,    -- 72 hours later
    told_at     integer,
    entry       integer not null     -- ledger index of its incident.noted
) strict;
