-- What a person says with a request, for whoever handles it: sealed under the account's key, gone with it.
alter table subject_request_accounts add column said bytea;
