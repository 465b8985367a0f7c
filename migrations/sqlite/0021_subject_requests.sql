-- Requests of people under GDPR Art. 15 to 21 and LGPD Art. 18, each with its clock.

-- A request outlives the account: that it was answered in time must be shown. Nothing here says whose
-- it was; the table below does, as long as there is an account.
create table subject_requests (
    app              text    not null,
    id               blob    not null,          -- 16 bytes, a UUID chosen by whoever asks
    kind             text    not null check (kind in
        ('access', 'portability', 'erasure', 'rectification', 'restriction', 'objection')),
    law              text    not null check (law in ('gdpr', 'lgpd')),
    asked_by         text    not null check (asked_by in ('person', 'app', 'officer')),
    state            text    not null check (state in ('open', 'completed', 'refused', 'cancelled')),
    received_at      integer  not null,
    due_at           integer  not null,
    extension        text check (extension in ('complexity', 'number_of_requests')),
    extended_at      integer,
    closed_at        integer,
    outcome          text,                      -- a code
    received_entry   integer  not null,         -- ledger index of "request.received"
    closed_entry     integer,                   -- ledger index of "request.closed"
    reminded_at      integer,                   -- due soon, and said so
    escalated_at     integer,                   -- past its time
    primary key (app, id)
) strict;
create index subject_requests_due on subject_requests (due_at) where state = 'open';

create table subject_request_accounts (
    subject  blob not null references accounts (subject) on delete cascade,
    app      text not null,
    request  blob not null,
    primary key (subject, app, request)
) strict;
create index subject_request_accounts_request on subject_request_accounts (app, request);
