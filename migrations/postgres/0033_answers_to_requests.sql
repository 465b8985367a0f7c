-- What an officer did about a request, in words, for whoever asked: sealed like what they said.
alter table subject_request_accounts add column answer bytea;
