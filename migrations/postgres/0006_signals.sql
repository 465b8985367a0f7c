-- What accounts did, faded, one sealed profile each. Colocation key: subject.

create table profiles (
    subject bytea  not null primary key references accounts (subject) on delete cascade,
    app     text   not null,
    sealed  bytea  not null, -- under the account's data key
    changed bigint not null  -- db::changes
);

create index profiles_changed on profiles (changed);

-- Recognises repeats: keyed tags of message ids, under the account, gone with its profile.
create table signal_tags (
    subject bytea  not null references accounts (subject) on delete cascade,
    tag     bytea  not null,
    seen    bigint not null, -- the season (50 days) it was received in, no finer
    primary key (subject, tag)
);

create index signal_tags_tag on signal_tags (tag);
create index signal_tags_seen on signal_tags (seen);

-- What was refused or left out, counted per app, day and code; nothing about whom.
create table signal_refusals (
    app   text   not null,
    day   bigint not null, -- the beginning of the day, UTC
    code  text   not null,
    times bigint not null,
    primary key (app, day, code)
);

-- No profile without a live consent for relevance, whatever the program does. The grant stays
-- locked until the profile is committed, so that a withdrawal at the same moment finds it.
create function profiles_need_consent() returns trigger language plpgsql as $$
begin
    perform 1 from grants
    where grants.subject = new.subject and purpose = 'relevance' and state = 'given'
    for share;
    if not found then
        raise exception 'no live grant for relevance';
    end if;
    return new;
end
$$;

create trigger profiles_need_consent before insert or update on profiles
for each row execute function profiles_need_consent();

create function profiles_end_with_consent() returns trigger language plpgsql as $$
begin
    delete from profiles where subject = old.subject;
    delete from signal_tags where subject = old.subject;
    return null;
end
$$;

create trigger profiles_end_with_consent after update of state on grants
for each row when (old.state = 'given' and new.state <> 'given' and new.purpose = 'relevance')
execute function profiles_end_with_consent();

create trigger profiles_end_with_grant after delete on grants
for each row when (old.state = 'given' and old.purpose = 'relevance')
execute function profiles_end_with_consent();
