-- Who may call: apps, businesses, console users, API keys, sessions, one-time links; the check
-- values of the key ring; and answers kept for repeated requests.

create table apps (
    id              text    not null primary key,   -- slug, also in the ledger
    title           text    not null,
    phone_encoding  text    not null check (phone_encoding in ('e164', 'google', 'meta', 'uid2')),
    region          text,                           -- ISO 3166, for national numbers
    created_at      integer not null
) strict;

create table businesses (
    id          blob    not null primary key,
    name        text    not null,
    created_at  integer not null
) strict;

create table users (
    id           blob    not null primary key,
    email        text    not null unique,           -- lower case; reference data, never sharded
    password     text,                              -- Argon2id, PHC string; null: links only
    role         text    not null check (role in ('officer', 'operator', 'business', 'agent')),
    business     blob    references businesses (id),
    created_at   integer not null,
    disabled_at  integer,
    check ((role in ('business', 'agent')) = (business is not null))
) strict;

create table api_keys (
    id             blob    not null primary key,
    role           text    not null
                   check (role in ('app', 'business', 'officer', 'agent', 'operator')),
    app            text    references apps (id),
    business       blob    references businesses (id),
    label          text    not null,
    secret_hash    blob    not null,                -- HMAC under the key ring
    created_at     integer not null,
    last_used_day  integer,                         -- midnight UTC
    revoked_at     integer,
    check ((role = 'app') = (app is not null)),
    check ((role in ('business', 'agent')) = (business is not null))
) strict;

create table sessions (
    token_hash  blob    not null primary key,       -- HMAC under the key ring
    user_id     blob    not null references users (id),
    created_at  integer not null,
    seen_at     integer not null,
    ended_at    integer
) strict;
create index sessions_by_user on sessions (user_id);

create table sign_in_links (
    token_hash  blob    not null primary key,       -- HMAC under the key ring
    user_id     blob    not null references users (id),
    created_at  integer not null,
    expires_at  integer not null,
    used_at     integer
) strict;

create table key_checks (
    domain   text    not null,
    version  integer not null,
    value    blob    not null,
    primary key (domain, version)
) strict;

create table idempotency_keys (
    id           blob    not null primary key,      -- HMAC of the caller and its key
    fingerprint  blob    not null,                  -- HMAC of method, path and body
    status       integer not null,
    wrapped      blob    not null,                  -- key of the answer, under the key ring
    answer       blob    not null,                  -- sealed: content type and body
    created_at   integer not null
) strict;
create index idempotency_keys_by_age on idempotency_keys (created_at);
