-- Consent: what was decided, under which notice, and the sealed record that each ledger entry
-- commits to.

-- The texts that were published, so that their hashes can be shown to have been in the log first.
create table notices (
    id          text    not null,
    version     bigint  not null,
    language    text    not null,
    sha256      bytea    not null,
    entry       bigint  not null,               -- ledger index of "notice.published"
    created_at  bigint  not null,
    primary key (id, version, language)
);

-- The latest decision per account, purpose and peer is the one with the highest entry.
create table grants (
    subject         bytea    not null references accounts (subject) on delete cascade,
    id              bytea    not null,
    app             text    not null,
    purpose         text    not null,
    peer            text    not null,           -- empty unless the purpose is for a pair of apps
    state           text    not null check (state in ('given', 'refused', 'withdrawn', 'expired')),
    notice          text    not null,
    notice_version  bigint  not null,
    language        text    not null,
    given_at        bigint  not null,
    expires_at      bigint  not null,
    ended_at        bigint ,
    entry           bigint  not null,           -- ledger index of the decision that made this state
    changed         bigint  not null,           -- see counters
    primary key (subject, id)
);
create unique index grants_live on grants (subject, purpose, peer) where state = 'given';
create index grants_changed on grants (changed);
create index grants_expiry on grants (expires_at) where state = 'given';

-- An ended grant never comes back; a new decision is a new row.
create function a_new_grant_is_needed() returns trigger language plpgsql as $$
begin raise exception 'a new grant is needed'; end $$;
create trigger grants_end_once before update of state on grants
    for each row when (old.state <> 'given' and new.state <> old.state)
    execute function a_new_grant_is_needed();

create table consent_records (
    subject  bytea    not null references accounts (subject) on delete cascade,
    entry    bigint  not null,                  -- ledger index of its commitment
    sealed   bytea    not null,                  -- JSON record under the account's key
    primary key (subject, entry)
);
