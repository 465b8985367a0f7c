-- Impact assessments that were attached (GDPR Art. 35), and breaches with their clock (Art. 33).

create table assessments (
    purpose      text    not null,
    entry        bigint  not null,   -- ledger index of its impact.assessed
    name         text    not null,   -- the operator's own
    sha256       bytea   not null,   -- of the document, which stays with the operator
    attached_at  bigint  not null,
    primary key (purpose, entry)
);

create table incidents (
    id          bytea   not null primary key,
    from_at     bigint  not null,
    to_at       bigint  not null,
    with_keys   bigint  not null check (with_keys in (0, 1)),
    accounts    bigint  not null,    -- affected, as measured then
    noticed_at  bigint  not null,
    due_at      bigint  not null,    -- 72 hours later
    told_at     bigint,
    entry       bigint  not null     -- ledger index of its incident.noted
);
