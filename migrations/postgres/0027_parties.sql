-- Who answered for the data, since when: the file of controllers and operator that notices and receipts
-- name, every version that was ever in force, so that a text can be shown as it was shown then.
create table notice_parties (
    version     bigint not null primary key,
    sha256      bytea  not null,
    text        text   not null,
    entry       bigint not null,                -- ledger index of "notice.published"
    created_at  bigint not null
);
