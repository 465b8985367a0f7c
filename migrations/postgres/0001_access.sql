-- Who may call: apps, businesses, console users, API keys, sessions, one-time links; the check
-- values of the key ring; and answers kept for repeated requests.

create table apps (
    id              text    not null primary key,   -- slug, also in the ledger
    title           text    not null,
    phone_encoding  text    not null check (phone_encoding in ('e164', 'google', 'meta', 'uid2')),
    region          text,                           -- ISO 3166, for national numbers
    created_at      bigint  not null
);

create table businesses (
    id          bytea   not null primary key,
    name        text    not null,
    created_at  bigint  not null
);

create table users (
    id           bytea   not null primary key,
    email        text    not null unique,           -- lower case; reference data, never sharded
    password     text,                              -- Argon2id, PHC string; null: links only
    role         text    not null check (role in ('officer', 'operator', 'business', 'agent')),
    business     bytea   references businesses (id),
    created_at   bigint  not null,
    disabled_at  bigint,
    check ((role in ('business', 'agent')) = (business is not null))
);

create table api_keys (
    id             bytea   not null primary key,
    role           text    not null
                   check (role in ('app', 'business', 'officer', 'agent', 'operator')),
    app            text    references apps (id),
    business       bytea   references businesses (id),
    label          text    not null,
    secret_hash    bytea   not null,                -- HMAC under the key ring
    created_at     bigint  not null,
    last_used_day  bigint,                         -- midnight UTC
    revoked_at     bigint,
    check ((role = 'app') = (app is not null)),
    check ((role in ('business', 'agent')) = (business is not null))
);

create table sessions (
    token_hash  bytea   not null primary key,       -- HMAC under the key ring
    user_id     bytea   not null references users (id),
    created_at  bigint  not null,
    seen_at     bigint  not null,
    ended_at    bigint
);
create index sessions_by_user on sessions (user_id);

create table sign_in_links (
    token_hash  bytea   not null primary key,       -- HMAC under the key ring
    user_id     bytea   not null references users (id),
    created_at  bigint  not null,
    expires_at  bigint  not null,
    used_at     bigint
);

create table key_checks (
    domain   text    not null,
    version  bigint  not null,
    value    bytea   not null,
    primary key (domain, version)
);

create table idempotency_keys (
    id           bytea   not null primary key,      -- HMAC of the caller and its key
    fingerprint  bytea   not null,                  -- HMAC of method, path and body
    status       bigint  not null,
    wrapped      bytea   not null,                  -- key of the answer, under the key ring
    answer       bytea   not null,                  -- sealed: content type and body
    created_at   bigint  not null
);
create index idempotency_keys_by_age on idempotency_keys (created_at);
