-- Which accounts were erased, so that an old copy of the database can be brought up to date. Nothing
-- here says who it was: the tag is a keyed hash of the account's random id, which is gone.

create table erasures (
    tag        blob    not null primary key, -- 16 bytes
    entry      integer,                        -- ledger index of "account.erased"; null: this database never held it
    erased_at  integer not null
) strict;
