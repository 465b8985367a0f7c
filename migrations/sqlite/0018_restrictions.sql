-- Restriction of processing (GDPR Art. 18): why an account is frozen, and what goes when it is.
-- accounts.frozen_at says that it is.

create table restrictions (
    subject  blob    not null primary key references accounts (subject) on delete cascade,
    reason   text    not null check (reason in
        ('accuracy_contested', 'processing_unlawful', 'legal_claims', 'objection_pending')),
    asked_by text    not null check (asked_by in ('person', 'app', 'officer')),
    entry    integer not null                   -- ledger index of "processing.restricted"
) strict;

-- A frozen account is linked with nobody, and what was learned from what it lent is forgotten. Its
-- own scores and list rows go by the trigger of 0008.
create trigger account_freeze_cuts_links after update of frozen_at on accounts
when new.frozen_at is not null and old.frozen_at is null
begin
    delete from link_tokens where subject = new.subject;
    delete from exposures where (subject, list) in (
        select subject, list from list_loans where lender = new.subject);
    delete from scores where (subject, list) in (
        select subject, list from list_loans where lender = new.subject);
    delete from list_loans where lender = new.subject;
end;

create trigger link_tokens_wait_for_the_end_of_a_restriction before insert on link_tokens
when exists (select 1 from accounts a where a.subject = new.subject and a.frozen_at is not null)
begin select raise(abort, 'processing is restricted'); end;

create trigger scores_wait_for_the_end_of_a_restriction before insert on scores
when exists (select 1 from accounts a where a.subject = new.subject and a.frozen_at is not null)
begin select raise(abort, 'processing is restricted'); end;
