-- Whether a purchase followed a message that was sent, or kept back by chance: noted by the same rule in
-- both arms, from signals alone. Of whoever could not be observed when the message was sent or kept back
-- there is no row, in neither arm. Colocation key: subject.
create table awaited_purchases (
    subject  bytea  not null,
    until    bigint not null, -- a later purchase does not count
    exposure bytea  not null,
    business bytea  not null,
    since    bigint not null,
    sealed   bytea  not null, -- whether there was one; under the account's data key
    primary key (subject, until, exposure),
    foreign key (subject, exposure) references exposures (subject, id) on delete cascade
);

-- What is awaited rests on the consent to teach models; the exposure that it ends with, on the one for
-- relevance. The grant stays locked until the row is committed, so that a withdrawal at the same moment
-- finds it.
create function awaited_purchases_need_consent() returns trigger language plpgsql as $$
begin
    perform 1 from grants
    where grants.subject = new.subject and purpose = 'model_training' and state = 'given'
    for share;
    if not found then
        raise exception 'no live grant for model training';
    end if;
    return new;
end
$$;

create trigger awaited_purchases_need_consent before insert on awaited_purchases
for each row execute function awaited_purchases_need_consent();

create function awaited_purchases_end() returns trigger language plpgsql as $$
begin
    delete from awaited_purchases where subject = old.subject;
    return null;
end
$$;

create trigger awaited_purchases_end_with_consent after update of state on grants
for each row when (old.state = 'given' and new.state <> 'given' and new.purpose = 'model_training')
execute function awaited_purchases_end();

create trigger awaited_purchases_end_with_grant after delete on grants
for each row when (old.state = 'given' and old.purpose = 'model_training')
execute function awaited_purchases_end();

-- While an account is frozen its signals are refused: nobody knows what it does.
create trigger awaited_purchases_end_with_freeze after update of frozen_at on accounts
for each row when (new.frozen_at is not null and old.frozen_at is null)
execute function awaited_purchases_end();
