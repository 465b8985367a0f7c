-- Tags that recognise repeats name no account any more: they are made with a salt that is sealed with the
-- account's profile, so that nobody can count how much an account is used, and when the profile goes nothing
-- tells whose they were. Those from before cannot be made anew: they go.
drop trigger profiles_end_with_consent;
drop trigger profiles_end_with_grant;
drop table signal_tags;

create table signal_tags (
    tag  blob    not null primary key,
    seen integer not null -- the season (50 days) it was received in, no finer
) strict, without rowid;

create index signal_tags_seen on signal_tags (seen);

create trigger profiles_end_with_consent after update of state on grants
when old.state = 'given' and new.state <> 'given' and new.purpose = 'relevance'
begin
    delete from profiles where subject = new.subject;
end;

create trigger profiles_end_with_grant after delete on grants
when old.state = 'given' and old.purpose = 'relevance'
begin
    delete from profiles where subject = old.subject;
end;
