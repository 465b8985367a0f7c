-- What messages brought about, the models learned from it, and who is gone.

-- One account came to see a message, or was kept aside from it. Colocation key: subject.
create table exposures (
    subject    blob    not null references accounts (subject) on delete cascade,
    id         blob    not null,
    app        text    not null,
    business   blob    not null,
    campaign   blob,
    list       blob,
    arm        text    not null, -- the business's word for what was sent, or 'control'
    treated    integer not null check (treated in (0, 1)),
    at         integer not null,
    closes_at  integer not null, -- what happens later no longer counts as its outcome
    propensity real    not null check (propensity > 0 and propensity <= 1),
    features   blob    not null, -- as seen at that moment; under the account's data key
    primary key (subject, id)
) strict;

create index exposures_business on exposures (business, closes_at);
create index exposures_list on exposures (list, subject);

create table outcomes (
    subject  blob    not null,
    exposure blob    not null,
    kind     text    not null,
    at       integer not null,
    value    real,
    primary key (subject, exposure, kind),
    foreign key (subject, exposure) references exposures (subject, id) on delete cascade
) strict;

-- Models by owner (an empty id: trained on all), goal and version. Colocation key: business.
create table models (
    business     blob    not null,
    goal         text    not null,
    version      integer not null,
    id           blob    not null,
    created_at   integer not null,
    entry        integer not null, -- ledger index of its `model.trained` entry
    artifact     blob    not null,
    card         text    not null,
    activated_at integer,
    primary key (business, goal, version)
) strict;

create unique index models_active on models (business, goal) where activated_at is not null;

-- Accounts that are gone, so that what is derived from them goes too.
create table removed_accounts (
    subject blob    not null primary key,
    changed integer not null
) strict;

create index removed_accounts_changed on removed_accounts (changed);

create trigger accounts_leave_a_mark after delete on accounts
begin
    update counters set value = value + 1 where name = 'changes';
    insert into removed_accounts (subject, changed)
    select old.subject, value from counters where name = 'changes'
    on conflict (subject) do update set changed = excluded.changed;
end;

-- No exposure without a live consent for relevance; all of them go when it ends.
create trigger exposures_need_consent before insert on exposures
when not exists (
    select 1 from grants
    where grants.subject = new.subject and purpose = 'relevance' and state = 'given'
)
begin
    select raise(abort, 'no live grant for relevance');
end;

create trigger exposures_end_with_consent after update of state on grants
when old.state = 'given' and new.state <> 'given' and new.purpose = 'relevance'
begin
    delete from exposures where subject = new.subject;
end;

create trigger exposures_end_with_grant after delete on grants
when old.state = 'given' and old.purpose = 'relevance'
begin
    delete from exposures where subject = old.subject;
end;
