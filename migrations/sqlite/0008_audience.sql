-- Campaigns, lists and what a list holds about people.
-- Two groups of tables: those of a business begin with its id, those of a person with the account's.

create table campaigns (
    business blob not null,
    id blob not null,
    name text not null,
    delivery_app text not null,          -- the app the message is delivered in
    title text not null,
    body text not null,
    language text not null,
    topics text not null,                -- JSON array of topic ids
    goal text not null check (goal in ('click', 'reply', 'buy')),
    window_from integer not null,        -- µs; when the message may first go out
    window_until integer not null,       -- µs; when it may no longer
    created_at integer not null,
    primary key (business, id)
) strict;

create index campaigns_by_id on campaigns (id);

create table lists (
    -- what was asked for, never changed
    business blob not null,
    id blob not null,
    campaign blob not null,
    size integer not null,               -- recipients asked for
    filter text not null,                -- JSON
    holdout real not null,               -- share kept aside at random, 0 to 0.5
    created_at integer not null,
    expires_at integer not null,         -- µs; rows are neither served nor kept after it
    -- how far it is
    state text not null check (state in ('queued', 'building', 'sealed', 'refused', 'failed')),
    done integer not null default 0,     -- candidates looked at so far
    reason text,                         -- code, when refused or failed
    waterfall text,                      -- JSON with exact counts; suppressed when it is shown
    -- what was sealed
    model text,                          -- name of the model that scored it
    data_as_of integer,                  -- µs; how fresh the columns were
    leaves integer,                      -- rows at the time of sealing
    rows_root blob,                      -- RFC 6962 root over list_leaves
    entry integer,                       -- ledger index of list.sealed
    checkpoint_size integer,             -- size of the signed checkpoint that covers it
    sealed_at integer,
    -- once it has expired
    rows_removed_at integer,                  -- µs
    primary key (business, id),
    foreign key (business, campaign) references campaigns (business, id)
) strict;

create index lists_by_id on lists (id);
create index lists_by_campaign on lists (business, campaign, created_at);
create index lists_by_expiry on lists (expires_at) where rows_removed_at is null;

-- Salted commitments of the rows at sealing time. They hold nothing about people and stay when a
-- row goes (its salt goes with it), so that the root can still be recomputed.
create table list_leaves (
    business blob not null,
    list blob not null,
    rank integer not null,
    hash blob not null,
    primary key (business, list, rank),
    foreign key (business, list) references lists (business, id)
) strict;

-- Whoever was scored for a list under a relevance grant: the listed, and those kept aside.
create table scores (
    subject blob not null,
    list blob not null,
    business blob not null,
    arm text not null check (arm in ('listed', 'holdout')),
    score real not null,
    model text not null,
    relevance_grant blob not null,
    relevance_entry integer not null,
    primary key (subject, list),
    foreign key (subject, relevance_grant) references grants (subject, id) on delete cascade
) strict;

create index scores_by_list on scores (business, list, arm);
create index scores_by_grant on scores (subject, relevance_grant);

-- A row rests on its score and on a grant for business messages.
create table list_rows (
    subject blob not null,
    list blob not null,
    business blob not null,
    recipient blob not null,             -- what the business sees, different for each business
    rank integer not null,
    score real not null,
    uplift real,
    reasons text not null,               -- JSON
    salt blob not null,                  -- opens this row's leaf
    messages_grant blob not null,
    messages_entry integer not null,
    relevance_grant blob not null,
    relevance_entry integer not null,
    primary key (subject, list),
    foreign key (subject, list) references scores (subject, list) on delete cascade,
    foreign key (subject, messages_grant) references grants (subject, id) on delete cascade,
    foreign key (subject, relevance_grant) references grants (subject, id) on delete cascade
) strict;

create unique index list_rows_by_rank on list_rows (business, list, rank);
create unique index list_rows_by_recipient on list_rows (business, list, recipient);
create index list_rows_by_messages_grant on list_rows (subject, messages_grant);

-- What an account of another app lent to a score, and the grants on both sides that allow it. Loans
-- outlive the list: as long as the exposure that was made with them is kept to learn from.
create table list_loans (
    subject blob not null,
    list blob not null,
    business blob not null,
    peer text not null,                  -- the lender's app
    lender blob not null,
    own_grant blob not null,             -- the scored account's linking grant towards the peer
    own_entry integer not null,
    lender_grant blob not null,          -- the lender's linking grant towards the delivery app
    lender_entry integer not null,
    relevance_grant blob not null,       -- the lender's grant for relevance
    relevance_entry integer not null,
    primary key (subject, list, lender),
    foreign key (subject, own_grant) references grants (subject, id) on delete cascade
) strict;

create index list_loans_by_own_grant on list_loans (subject, own_grant);
create index list_loans_by_lender on list_loans (lender, lender_grant);
create index list_loans_by_lender_relevance on list_loans (lender, relevance_grant);

-- Accounts that said stop or complained to a business: not on its lists any more.
create table list_stops (
    subject blob not null,
    business blob not null,
    kind text not null check (kind in ('stop', 'complaint')),
    stopped_at integer not null,
    primary key (subject, business),
    foreign key (subject) references accounts (subject) on delete cascade
) strict;

create index list_stops_by_business on list_stops (business);

-- Every grant a score, and a list row, rests on: what ends with the grant.
create view score_grants as
    select subject, list, business, subject as owner, relevance_grant as grant_id from scores
    union all
    select subject, list, business, subject as owner, own_grant as grant_id from list_loans
    union all
    select subject, list, business, lender as owner, lender_grant as grant_id from list_loans
    union all
    select subject, list, business, lender as owner, relevance_grant as grant_id from list_loans;

create view list_row_grants as
    select subject, list, business, subject as owner, messages_grant as grant_id from list_rows
    union all
    select g.subject, g.list, g.business, g.owner, g.grant_id
      from score_grants g join list_rows r on r.subject = g.subject and r.list = g.list;

-- A grant that ends takes with it, in the same transaction, every score and row that rests on it.
create trigger grant_end_removes_scores after update of state on grants
when old.state = 'given' and new.state <> 'given'
begin
    delete from list_rows where subject = old.subject and messages_grant = old.id;
    delete from scores where subject = old.subject and relevance_grant = old.id;
    delete from list_loans where subject = old.subject and old.purpose = 'relevance';
    delete from exposures where (subject, list) in (
        select subject, list from list_loans where subject = old.subject and own_grant = old.id);
    delete from scores where (subject, list) in (
        select subject, list from list_loans where subject = old.subject and own_grant = old.id);
    delete from list_loans where (subject, list) in (
        select subject, list from list_loans where subject = old.subject and own_grant = old.id);
    delete from exposures where (subject, list) in (
        select subject, list from list_loans where lender = old.subject and lender_grant = old.id);
    delete from scores where (subject, list) in (
        select subject, list from list_loans where lender = old.subject and lender_grant = old.id);
    delete from list_loans where (subject, list) in (
        select subject, list from list_loans where lender = old.subject and lender_grant = old.id);
    delete from exposures where (subject, list) in (
        select subject, list from list_loans where lender = old.subject and relevance_grant = old.id);
    delete from scores where (subject, list) in (
        select subject, list from list_loans where lender = old.subject and relevance_grant = old.id);
    delete from list_loans where (subject, list) in (
        select subject, list from list_loans where lender = old.subject and relevance_grant = old.id);
end;

-- A frozen account is on no list and lends nothing.
create trigger account_freeze_removes_scores after update of frozen_at on accounts
when new.frozen_at is not null and old.frozen_at is null
begin
    delete from scores where subject = new.subject;
    delete from scores where (subject, list) in (
        select subject, list from list_loans where lender = new.subject);
end;

-- A lender that is erased takes back what it lent.
create trigger account_erase_removes_scores before delete on accounts
begin
    delete from exposures where (subject, list) in (
        select subject, list from list_loans where lender = old.subject);
    delete from scores where (subject, list) in (
        select subject, list from list_loans where lender = old.subject);
    delete from list_loans where (subject, list) in (
        select subject, list from list_loans where lender = old.subject);
end;

-- A row, and what it rests on, is written once.
create trigger list_rows_are_written_once before update on list_rows
begin
    select raise(abort, 'list rows are written once');
end;

create trigger list_leaves_are_written_once before update on list_leaves
begin
    select raise(abort, 'list leaves are written once');
end;
