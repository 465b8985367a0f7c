-- Recall notices (GDPR Art. 17(2), 19): a business that received somebody's id on a list is told when
-- that row ends.

-- Which lists left the house, and down to which rank.
create table list_served (
    business   bytea  not null,
    list       bytea  not null,
    rank       bigint not null,
    first_at   bigint not null,
    last_at    bigint not null,
    closed_at  bigint,                          -- the list expired: its end is no recall
    primary key (business, list),
    foreign key (business, list) references lists (business, id)
);

-- The recipient id is what the business knows; nothing here names an account.
create table recalls (
    business         bytea not null,
    list             bytea not null,
    recipient        bytea not null,
    raised_at        bigint,                    -- null until a sweep or the business looks
    acknowledged_at  bigint,
    escalated_at     bigint,                    -- not acknowledged in time: shown to the officer
    primary key (business, list, recipient)
);
create index recalls_open on recalls (raised_at) where acknowledged_at is null;

-- Whatever ends a row that was served: a withdrawal, an objection, a restriction, an erasure, an age.
create function a_row_is_recalled() returns trigger language plpgsql as $$
begin
    -- Whoever notes that the list is served waits for us, or we for them: one of the two sees the other.
    perform 1 from lists l where l.business = old.business and l.id = old.list for key share;
    if exists (select 1 from list_served s
               where s.business = old.business and s.list = old.list
                 and s.rank >= old.rank and s.closed_at is null) then
        insert into recalls (business, list, recipient)
        values (old.business, old.list, old.recipient)
        on conflict (business, list, recipient) do nothing;
    end if;
    return null;
end $$;
create trigger list_rows_are_recalled after delete on list_rows
    for each row execute function a_row_is_recalled();
