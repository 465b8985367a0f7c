-- Link tokens: the keyed slow hash of a phone number for one pair of apps. A token lives exactly as
-- long as its grant; two equal live tokens, one per app, are a link. Nothing else links accounts.

create table link_tokens (
    subject     bytea    not null,
    peer        text    not null,
    app         text    not null,
    token       bytea    not null,
    grant_id    bytea    not null,
    primary key (subject, peer),
    foreign key (subject, grant_id) references grants (subject, id) on delete cascade
);
create index link_tokens_token on link_tokens (token, app);

create function no_live_grant() returns trigger language plpgsql as $$
begin
    if not exists (select 1 from grants g
                   where g.subject = new.subject and g.id = new.grant_id and g.app = new.app
                     and g.purpose = 'cross_app_linking' and g.peer = new.peer
                     and g.state = 'given'
                   for share) then
        raise exception 'no live grant';
    end if;
    return new;
end $$;
create trigger link_tokens_need_a_live_grant before insert on link_tokens
    for each row execute function no_live_grant();

create function a_token_belongs_to_its_grant() returns trigger language plpgsql as $$
begin raise exception 'a token belongs to its grant'; end $$;
create trigger link_tokens_never_change before update on link_tokens
    for each row when (new.subject <> old.subject or new.peer <> old.peer or new.app <> old.app
                       or new.grant_id <> old.grant_id)
    execute function a_token_belongs_to_its_grant();

create function tokens_end_with_their_grant() returns trigger language plpgsql as $$
begin
    delete from link_tokens where subject = new.subject and grant_id = new.id;
    return null;
end $$;
create trigger link_tokens_end_with_their_grant after update of state on grants
    for each row when (new.state <> 'given') execute function tokens_end_with_their_grant();

-- Two accounts of one app with the same number link to nothing.
create view links as
    select a.app as app_a, a.subject as subject_a, b.app as app_b, b.subject as subject_b,
           a.grant_id as grant_a, b.grant_id as grant_b, a.token as token_a, b.token as token_b
    from link_tokens a
    join link_tokens b on b.token = a.token and b.app = a.peer and b.peer = a.app
    where not exists (select 1 from link_tokens other
                      where other.token = a.token and other.app = a.app
                        and other.subject <> a.subject)
      and not exists (select 1 from link_tokens other
                      where other.token = b.token and other.app = b.app
                        and other.subject <> b.subject);
