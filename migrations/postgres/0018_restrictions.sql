-- Restriction of processing (GDPR Art. 18): why an account is frozen, and what goes when it is.
-- accounts.frozen_at says that it is.

create table restrictions (
    subject  bytea  not null primary key references accounts (subject) on delete cascade,
    reason   text   not null check (reason in
        ('accuracy_contested', 'processing_unlawful', 'legal_claims', 'objection_pending')),
    asked_by text   not null check (asked_by in ('person', 'app', 'officer')),
    entry    bigint not null                    -- ledger index of "processing.restricted"
);

-- A frozen account is linked with nobody, and what was learned from what it lent is forgotten. Its
-- own scores and list rows go by the trigger of 0008.
create function account_freeze_cuts_links() returns trigger language plpgsql as $$
begin
    delete from link_tokens where subject = new.subject;
    delete from exposures where (subject, list) in (
        select subject, list from list_loans where lender = new.subject);
    delete from scores where (subject, list) in (
        select subject, list from list_loans where lender = new.subject);
    delete from list_loans where lender = new.subject;
    return null;
end $$;
create trigger account_freeze_cuts_links after update of frozen_at on accounts
    for each row when (new.frozen_at is not null and old.frozen_at is null)
    execute function account_freeze_cuts_links();

create function processing_is_restricted() returns trigger language plpgsql as $$
begin
    if exists (select 1 from accounts a
               where a.subject = new.subject and a.frozen_at is not null
               for share) then
        raise exception 'processing is restricted';
    end if;
    return new;
end $$;
create trigger link_tokens_wait_for_the_end_of_a_restriction before insert on link_tokens
    for each row execute function processing_is_restricted();
create trigger scores_wait_for_the_end_of_a_restriction before insert on scores
    for each row execute function processing_is_restricted();
