-- What was lent over a link goes with either of its tokens: also when a consent is renewed with another
-- number, which is another link.
create trigger loans_end_with_their_token after delete on link_tokens
begin
    delete from exposures where (subject, list) in (
        select subject, list from list_loans where subject = old.subject and own_grant = old.grant_id);
    delete from scores where (subject, list) in (
        select subject, list from list_loans where subject = old.subject and own_grant = old.grant_id);
    delete from list_loans where (subject, list) in (
        select subject, list from list_loans where subject = old.subject and own_grant = old.grant_id);
    delete from exposures where (subject, list) in (
        select subject, list from list_loans where lender = old.subject and lender_grant = old.grant_id);
    delete from scores where (subject, list) in (
        select subject, list from list_loans where lender = old.subject and lender_grant = old.grant_id);
    delete from list_loans where (subject, list) in (
        select subject, list from list_loans where lender = old.subject and lender_grant = old.grant_id);
end;

-- A second account of the app with the same number: neither is linked any more, and nothing of what the
-- first one was lent, or lent, stays.
create trigger loans_end_when_a_number_is_shared after insert on link_tokens
when exists (select 1 from link_tokens other
             where other.token = new.token and other.app = new.app and other.subject <> new.subject)
begin
    delete from exposures where (subject, list) in (
        select l.subject, l.list from link_tokens t
          join list_loans l on l.subject = t.subject and l.own_grant = t.grant_id
         where t.token = new.token and t.app = new.app);
    delete from scores where (subject, list) in (
        select l.subject, l.list from link_tokens t
          join list_loans l on l.subject = t.subject and l.own_grant = t.grant_id
         where t.token = new.token and t.app = new.app);
    delete from list_loans where (subject, list) in (
        select l.subject, l.list from link_tokens t
          join list_loans l on l.subject = t.subject and l.own_grant = t.grant_id
         where t.token = new.token and t.app = new.app);
    delete from exposures where (subject, list) in (
        select l.subject, l.list from link_tokens t
          join list_loans l on l.lender = t.subject and l.lender_grant = t.grant_id
         where t.token = new.token and t.app = new.app);
    delete from scores where (subject, list) in (
        select l.subject, l.list from link_tokens t
          join list_loans l on l.lender = t.subject and l.lender_grant = t.grant_id
         where t.token = new.token and t.app = new.app);
    delete from list_loans where (subject, list) in (
        select l.subject, l.list from link_tokens t
          join list_loans l on l.lender = t.subject and l.lender_grant = t.grant_id
         where t.token = new.token and t.app = new.app);
end;
