-- Addresses of a person's own privacy page. An app asks for one when its user opens "Privacy"; it
-- works for a short while. Only a keyed hash of the address is kept.

create table privacy_links (
    token       bytea   not null primary key,   -- keyed hash of the secret in the address
    subject     bytea   not null references accounts (subject) on delete cascade,
    app         text    not null,
    tag         bytea   not null,               -- the account as its app knows it, see account_references
    expires_at  bigint not null
);
create index privacy_links_subject on privacy_links (subject);
create index privacy_links_expires on privacy_links (expires_at);
