-- From whom each model learned, for as long as they agree. Colocation key: subject.
create table model_members (
    subject         bytea not null,
    model           bytea not null,
    relevance_grant bytea not null,
    training_grant  bytea not null,
    primary key (subject, model),
    foreign key (subject, relevance_grant) references grants (subject, id) on delete cascade,
    foreign key (subject, training_grant) references grants (subject, id) on delete cascade
);
create index model_members_model on model_members (model, subject);

-- How many a model learned from, how many of them left, and when the first did. A model of before
-- this was kept says nothing, and is not used until it is trained again.
alter table models add column people bigint;
alter table models add column departed bigint not null default 0;
alter table models add column departed_since bigint;
alter table models add column retrain_at bigint;
create index models_id on models (id);

-- Whoever takes a consent back leaves the models that rest on it, in the same transaction.
create function model_members_end_with_consent() returns trigger language plpgsql as $$
begin
    update models
    set departed = departed + 1,
        departed_since = least(coalesce(departed_since, new.ended_at), new.ended_at)
    where id in (select model from model_members
                 where subject = old.subject
                   and (relevance_grant = old.id or training_grant = old.id));
    delete from model_members
    where subject = old.subject and (relevance_grant = old.id or training_grant = old.id);
    return null;
end
$$;

create trigger model_members_end_with_consent after update of state on grants
for each row when (old.state = 'given' and new.state <> 'given'
                   and new.purpose in ('relevance', 'model_training'))
execute function model_members_end_with_consent();
