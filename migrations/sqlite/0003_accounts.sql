-- Accounts of people: one user of one app, known as a random id.

create table accounts (
    subject     blob    not null primary key,   -- 16 random bytes
    app         text    not null,
    language    text    not null,
    country     text    not null,               -- ISO 3166-1 alpha-2, or empty when unknown
    time_zone   text    not null,               -- IANA name, or empty when unknown
    age_band    text    not null,
    created_at  integer not null,               -- cut to the hour
    frozen_at   integer,
    changed     integer not null                -- see counters
) strict;
create index accounts_changed on accounts (changed);
create index accounts_app on accounts (app, subject);

-- The only way from an app's own reference to an account: a keyed tag, useless without the keys.
create table account_references (
    app      text not null,
    tag      blob not null,
    subject  blob not null references accounts (subject) on delete cascade,
    primary key (app, tag)
) strict, without rowid;
create index account_references_subject on account_references (subject);

-- The account's data key, wrapped. Destroying this row destroys everything sealed under it.
create table account_keys (
    subject     blob    not null primary key references accounts (subject) on delete cascade,
    wrapped     blob    not null,
    created_at  integer not null
) strict;
