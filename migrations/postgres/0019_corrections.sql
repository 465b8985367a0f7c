-- Which inferred interests people say are not theirs (GDPR Art. 16), sealed under the account's key.
-- Not tied to a consent: it must hold for the next profile, too. Gone with the account.

create table corrections (
    subject  bytea not null primary key references accounts (subject) on delete cascade,
    sealed   bytea not null                     -- JSON
);
