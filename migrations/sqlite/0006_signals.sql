-- What accounts did, faded, one sealed profile each. Colocation key: subject.

create table profiles (
    subject blob    not null primary key references accounts (subject) on delete cascade,
    app     text    not null,
    sealed  blob    not null, -- under the account's data key
    changed integer not null  -- db::changes
) strict;

create index profiles_changed on profiles (changed);

-- Recognises repeats: keyed tags of message ids, under the account, gone with its profile.
create table signal_tags (
    subject blob    not null references accounts (subject) on delete cascade,
    tag     blob    not null,
    seen    integer not null, -- the season (50 days) it was received in, no finer
    primary key (subject, tag)
) strict, without rowid;

create index signal_tags_tag on signal_tags (tag);
create index signal_tags_seen on signal_tags (seen);

-- What was refused or left out, counted per app, day and code; nothing about whom.
create table signal_refusals (
    app   text    not null,
    day   integer not null, -- the beginning of the day, UTC
    code  text    not null,
    times integer not null,
    primary key (app, day, code)
) strict, without rowid;

-- No profile without a live consent for relevance, whatever the program does.
create trigger profiles_need_consent before insert on profiles
when not exists (
    select 1 from grants
    where grants.subject = new.subject and purpose = 'relevance' and state = 'given'
)
begin
    select raise(abort, 'no live grant for relevance');
end;

create trigger profiles_keep_consent before update on profiles
when not exists (
    select 1 from grants
    where grants.subject = new.subject and purpose = 'relevance' and state = 'given'
)
begin
    select raise(abort, 'no live grant for relevance');
end;

create trigger profiles_end_with_consent after update of state on grants
when old.state = 'given' and new.state <> 'given' and new.purpose = 'relevance'
begin
    delete from profiles where subject = new.subject;
    delete from signal_tags where subject = new.subject;
end;

create trigger profiles_end_with_grant after delete on grants
when old.state = 'given' and old.purpose = 'relevance'
begin
    delete from profiles where subject = old.subject;
    delete from signal_tags where subject = old.subject;
end;
