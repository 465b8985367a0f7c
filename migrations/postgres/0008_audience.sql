-- Campaigns, lists and what a list holds about people.
-- Two groups of tables: those of a business begin with its id, those of a person with the account's.

create table campaigns (
    business bytea not null,
    id bytea not null,
    name text not null,
    delivery_app text not null,          -- the app the message is delivered in
    title text not null,
    body text not null,
    language text not null,
    topics text not null,                -- JSON array of topic ids
    goal text not null check (goal in ('click', 'reply', 'buy')),
    window_from bigint not null,        -- µs; when the message may first go out
    window_until bigint not null,       -- µs; when it may no longer
    created_at bigint not null,
    primary key (business, id)
);

create index campaigns_by_id on campaigns (id);

create table lists (
    -- what was asked for, never changed
    business bytea not null,
    id bytea not null,
    campaign bytea not null,
    size bigint not null,               -- recipients asked for
    filter text not null,                -- JSON
    holdout double precision not null,               -- share kept aside at random, 0 to 0.5
    created_at bigint not null,
    expires_at bigint not null,         -- µs; rows are neither served nor kept after it
    -- how far it is
    state text not null check (state in ('queued', 'building', 'sealed', 'refused', 'failed')),
    done bigint not null default 0,     -- candidates looked at so far
    reason text,                         -- code, when refused or failed
    waterfall text,                      -- JSON with exact counts; suppressed when it is shown
    -- what was sealed
    model text,                          -- name of the model that scored it
    data_as_of bigint,                  -- µs; how fresh the columns were
    leaves bigint,                      -- rows at the time of sealing
    rows_root bytea,                      -- RFC 6962 root over list_leaves
    entry bigint,                       -- ledger index of list.sealed
    checkpoint_size bigint,             -- size of the signed checkpoint that covers it
    sealed_at bigint,
    -- once it has expired
    rows_removed_at bigint,                  -- µs
    primary key (business, id),
    foreign key (business, campaign) references campaigns (business, id)
);

create index lists_by_id on lists (id);
create index lists_by_campaign on lists (business, campaign, created_at);
create index lists_by_expiry on lists (expires_at) where rows_removed_at is null;

-- Salted commitments of the rows at sealing time. They hold nothing about people and stay when a
-- row goes (its salt goes with it), so that the root can still be recomputed.
create table list_leaves (
    business bytea not null,
    list bytea not null,
    rank bigint not null,
    hash bytea not null,
    primary key (business, list, rank),
    foreign key (business, list) references lists (business, id)
);

-- Whoever was scored for a list under a relevance grant: the listed, and those kept aside.
create table scores (
    subject bytea not null,
    list bytea not null,
    business bytea not null,
    arm text not null check (arm in ('listed', 'holdout')),
    score double precision not null,
    model text not null,
    relevance_grant bytea not null,
    relevance_entry bigint not null,
    primary key (subject, list),
    foreign key (subject, relevance_grant) references grants (subject, id) on delete cascade
);

create index scores_by_list on scores (business, list, arm);
create index scores_by_grant on scores (subject, relevance_grant);

-- A row rests on its score and on a grant for business messages.
create table list_rows (
    subject bytea not null,
    list bytea not null,
    business bytea not null,
    recipient bytea not null,             -- what the business sees, different for each business
    rank bigint not null,
    score double precision not null,
    uplift double precision,
    reasons text not null,               -- JSON
    salt bytea not null,                  -- opens this row's leaf
    messages_grant bytea not null,
    messages_entry bigint not null,
    relevance_grant bytea not null,
    relevance_entry bigint not null,
    primary key (subject, list),
    foreign key (subject, list) references scores (subject, list) on delete cascade,
    foreign key (subject, messages_grant) references grants (subject, id) on delete cascade,
    foreign key (subject, relevance_grant) references grants (subject, id) on delete cascade
);

create unique index list_rows_by_rank on list_rows (business, list, rank);
create unique index list_rows_by_recipient on list_rows (business, list, recipient);
create index list_rows_by_messages_grant on list_rows (subject, messages_grant);

-- What an account of another app lent to a score, and the grants on both sides that allow it. Loans
-- outlive the list: as long as the exposure that was made with them is kept to learn from.
create table list_loans (
    subject bytea not null,
    list bytea not null,
    business bytea not null,
    peer text not null,                  -- the lender's app
    lender bytea not null,
    own_grant bytea not null,             -- the scored account's linking grant towards the peer
    own_entry bigint not null,
    lender_grant bytea not null,          -- the lender's linking grant towards the delivery app
    lender_entry bigint not null,
    relevance_grant bytea not null,       -- the lender's grant for relevance
    relevance_entry bigint not null,
    primary key (subject, list, lender),
    foreign key (subject, own_grant) references grants (subject, id) on delete cascade
);

create index list_loans_by_own_grant on list_loans (subject, own_grant);
create index list_loans_by_lender on list_loans (lender, lender_grant);
create index list_loans_by_lender_relevance on list_loans (lender, relevance_grant);

-- Accounts that said stop or complained to a business: not on its lists any more.
create table list_stops (
    subject bytea not null,
    business bytea not null,
    kind text not null check (kind in ('stop', 'complaint')),
    stopped_at bigint not null,
    primary key (subject, business),
    foreign key (subject) references accounts (subject) on delete cascade
);

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
create function grant_end_removes_scores() returns trigger language plpgsql as $$
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
    return null;
end $$;

create trigger grant_end_removes_scores after update of state on grants
for each row when (old.state = 'given' and new.state <> 'given')
execute function grant_end_removes_scores();

-- A frozen account is on no list and lends nothing.
create function account_freeze_removes_scores() returns trigger language plpgsql as $$
begin
    delete from scores where subject = new.subject;
    delete from scores where (subject, list) in (
        select subject, list from list_loans where lender = new.subject);
    return null;
end $$;

create trigger account_freeze_removes_scores after update of frozen_at on accounts
for each row when (new.frozen_at is not null and old.frozen_at is null)
execute function account_freeze_removes_scores();

-- A lender that is erased takes back what it lent.
create function account_erase_removes_scores() returns trigger language plpgsql as $$
begin
    delete from exposures where (subject, list) in (
        select subject, list from list_loans where lender = old.subject);
    delete from scores where (subject, list) in (
        select subject, list from list_loans where lender = old.subject);
    delete from list_loans where (subject, list) in (
        select subject, list from list_loans where lender = old.subject);
    return old;
end $$;

create trigger account_erase_removes_scores before delete on accounts
for each row execute function account_erase_removes_scores();

-- A row, and what it rests on, is written once.
create function written_once() returns trigger language plpgsql as $$
begin
    raise exception '% rows are written once', tg_table_name;
end $$;

create trigger list_rows_are_written_once before update on list_rows
for each row execute function written_once();

create trigger list_leaves_are_written_once before update on list_leaves
for each row execute function written_once();
