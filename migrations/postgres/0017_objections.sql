-- Objections to direct marketing (GDPR Art. 21(2), (3)).

-- Who must be left in peace, also after the account is erased: a keyed tag of the app's reference,
-- under a key for nothing else. Nothing here names an account. A row goes when the person gives a
-- later, explicit consent to messages.
create table suppressions (
    app          text   not null,
    tag          bytea  not null,               -- 32 bytes
    objected_at  bigint not null,               -- when it was last said
    entry        bigint not null,               -- ledger index of "objection.made"
    primary key (app, tag)
);

-- Follows from the table above, while the account lives.
alter table accounts add column objected_at bigint;

-- Whatever the program does: no consent to direct marketing comes to life while an objection stands.
create function an_objection_stands() returns trigger language plpgsql as $$
begin
    if exists (select 1 from accounts a
               where a.subject = new.subject and a.objected_at is not null) then
        raise exception 'an objection stands';
    end if;
    return new;
end $$;
create trigger grants_wait_for_the_end_of_an_objection before insert on grants
    for each row when (new.state = 'given'
                       and new.purpose in ('business_messages', 'relevance', 'follow_up'))
    execute function an_objection_stands();
