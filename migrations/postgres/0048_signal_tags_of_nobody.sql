-- Tags that recognise repeats name no account any more: they are made with a salt that is sealed with the
-- account's profile, so that nobody can count how much an account is used, and when the profile goes nothing
-- tells whose they were. Those from before cannot be made anew: they go.
create or replace function profiles_end_with_consent() returns trigger language plpgsql as $$
begin
    delete from profiles where subject = old.subject;
    return null;
end
$$;

drop table signal_tags;

create table signal_tags (
    tag  bytea  not null primary key,
    seen bigint not null -- the season (50 days) it was received in, no finer
);

create index signal_tags_seen on signal_tags (seen);
