-- What messages brought about, the models learned from it, and who is gone.

-- One account came to see a message, or was kept aside from it. Colocation key: subject.
create table exposures (
    subject    bytea            not null references accounts (subject) on delete cascade,
    id         bytea            not null,
    app        text             not null,
    business   bytea            not null,
    campaign   bytea,
    list       bytea,
    arm        text             not null, -- the business's word for what was sent, or 'control'
    treated    bigint           not null check (treated in (0, 1)),
    at         bigint           not null,
    closes_at  bigint           not null, -- what happens later no longer counts as its outcome
    propensity double precision not null check (propensity > 0 and propensity <= 1),
    features   bytea            not null, -- as seen at that moment; under the account's data key
    primary key (subject, id)
);

create index exposures_business on exposures (business, closes_at);
create index exposures_list on exposures (list, subject);

create table outcomes (
    subject  bytea  not null,
    exposure bytea  not null,
    kind     text   not null,
    at       bigint not null,
    value    double precision,
    primary key (subject, exposure, kind),
    foreign key (subject, exposure) references exposures (subject, id) on delete cascade
);

-- Models by owner (an empty id: trained on all), goal and version. Colocation key: business.
create table models (
    business     bytea  not null,
    goal         text   not null,
    version      bigint not null,
    id           bytea  not null,
    created_at   bigint not null,
    entry        bigint not null, -- ledger index of its `model.trained` entry
    artifact     bytea  not null,
    card         text   not null,
    activated_at bigint,
    primary key (business, goal, version)
);

create unique index models_active on models (business, goal) where activated_at is not null;

-- Accounts that are gone, so that what is derived from them goes too.
create table removed_accounts (
    subject bytea  not null primary key,
    changed bigint not null
);

create index removed_accounts_changed on removed_accounts (changed);

create function accounts_leave_a_mark() returns trigger language plpgsql as $$
begin
    update counters set value = value + 1 where name = 'changes';
    insert into removed_accounts (subject, changed)
    select old.subject, value from counters where name = 'changes'
    on conflict (subject) do update set changed = excluded.changed;
    return null;
end
$$;

create trigger accounts_leave_a_mark after delete on accounts
for each row execute function accounts_leave_a_mark();

-- No exposure without a live consent for relevance; all of them go when it ends. The grant stays
-- locked until the exposure is committed, so that a withdrawal at the same moment finds it.
create trigger exposures_need_consent before insert on exposures
for each row execute function profiles_need_consent();

create function exposures_end_with_consent() returns trigger language plpgsql as $$
begin
    delete from exposures where subject = old.subject;
    return null;
end
$$;

create trigger exposures_end_with_consent after update of state on grants
for each row when (old.state = 'given' and new.state <> 'given' and new.purpose = 'relevance')
execute function exposures_end_with_consent();

create trigger exposures_end_with_grant after delete on grants
for each row when (old.state = 'given' and old.purpose = 'relevance')
execute function exposures_end_with_consent();
