-- Consent: what was decided, under which notice, and the sealed record that each ledger entry
-- commits to.

-- The texts that were published, so that their hashes can be shown to have been in the log first.
create table notices (
    id          text    not null,
    version     integer not null,
    language    text    not null,
    sha256      blob    not null,
    entry       integer not null,               -- ledger index of "notice.published"
    created_at  integer not null,
    primary key (id, version, language)
) strict;

-- The latest decision per account, purpose and peer is the one with the highest entry.
create table grants (
    subject         blob    not null references accounts (subject) on delete cascade,
    id              blob    not null,
    app             text    not null,
    purpose         text    not null,
    peer            text    not null,           -- empty unless the purpose is for a pair of apps
    state           text    not null check (state in ('given', 'refused', 'withdrawn', 'expired')),
    notice          text    not null,
    notice_version  integer not null,
    language        text    not null,
    given_at        integer not null,
    expires_at      integer not null,
    ended_at        integer,
    entry           integer not null,           -- ledger index of the decision that made this state
    changed         integer not null,           -- see counters
    primary key (subject, id)
) strict;
create unique index grants_live on grants (subject, purpose, peer) where state = 'given';
create index grants_changed on grants (changed);
create index grants_expiry on grants (expires_at) where state = 'given';

-- An ended grant never comes back; a new decision is a new row.
create trigger grants_end_once before update of state on grants
when old.state <> 'given' and new.state <> old.state
begin select raise(abort, 'a new grant is needed'); end;

create table consent_records (
    subject  blob    not null references accounts (subject) on delete cascade,
    entry    integer not null,                  -- ledger index of its commitment
    sealed   blob    not null,                  -- JSON record under the account's key
    primary key (subject, entry)
) strict;
