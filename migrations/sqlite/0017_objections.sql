-- Objections to direct marketing (GDPR Art. 21(2), (3)).

-- Who must be left in peace, also after the account is erased: a keyed tag of the app's reference,
-- under a key for nothing else. Nothing here names an account. A row goes when the person gives a
-- later, explicit consent to messages.
create table suppressions (
    app          text    not null,
    tag          blob    not null,              -- 32 bytes
    objected_at  integer not null,              -- when it was last said
    entry        integer not null,              -- ledger index of "objection.made"
    primary key (app, tag)
) strict, without rowid;

-- Follows from the table above, while the account lives.
alter table accounts add column objected_at integer;

-- Whatever the program does: no consent to direct marketing comes to life while an objection stands.
create trigger grants_wait_for_the_end_of_an_objection before insert on grants
when new.state = 'given' and new.purpose in ('business_messages', 'relevance', 'follow_up')
  and exists (select 1 from accounts a
              where a.subject = new.subject and a.objected_at is not null)
begin select raise(abort, 'an objection stands'); end;
