-- Whether a purchase followed a message that was sent, or kept back by chance: noted by the same rule in
-- both arms, from signals alone. Of whoever could not be observed when the message was sent or kept back
-- there is no row, in neither arm. Colocation key: subject.
create table awaited_purchases (
    subject  blob    not null,
    until    integer not null, -- a later purchase does not count
    exposure blob    not null,
    business blob    not null,
    since    integer not null,
    sealed   blob    not null, -- whether there was one; under the account's data key
    primary key (subject, until, exposure),
    foreign key (subject, exposure) references exposures (subject, id) on delete cascade
) strict, without rowid;

-- What is awaited rests on the consent to teach models; the exposure that it ends with, on the one for
-- relevance.
create trigger awaited_purchases_need_consent before insert on awaited_purchases
when not exists (
    select 1 from grants
    where grants.subject = new.subject and purpose = 'model_training' and state = 'given'
)
begin
    select raise(abort, 'no live grant for model training');
end;

create trigger awaited_purchases_end_with_consent after update of state on grants
when old.state = 'given' and new.state <> 'given' and new.purpose = 'model_training'
begin
    delete from awaited_purchases where subject = new.subject;
end;

create trigger awaited_purchases_end_with_grant after delete on grants
when old.state = 'given' and old.purpose = 'model_training'
begin
    delete from awaited_purchases where subject = old.subject;
end;

-- While an account is frozen its signals are refused: nobody knows what it does.
create trigger awaited_purchases_end_with_freeze after update of frozen_at on accounts
when new.frozen_at is not null and old.frozen_at is null
begin
    delete from awaited_purchases where subject = new.subject;
end;
