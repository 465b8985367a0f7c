-- Recall notices (GDPR Art. 17(2), 19): a business that received somebody's id on a list is told when
-- that row ends.

-- Which lists left the house, and down to which rank.
create table list_served (
    business   blob    not null,
    list       blob    not null,
    rank       integer not null,
    first_at   integer not null,
    last_at    integer not null,
    closed_at  integer,                         -- the list expired: its end is no recall
    primary key (business, list),
    foreign key (business, list) references lists (business, id)
) strict;

-- The recipient id is what the business knows; nothing here names an account.
create table recalls (
    business         blob not null,
    list             blob not null,
    recipient        blob not null,
    raised_at        integer,                   -- null until a sweep or the business looks
    acknowledged_at  integer,
    escalated_at     integer,                   -- not acknowledged in time: shown to the officer
    primary key (business, list, recipient)
) strict;
create index recalls_open on recalls (raised_at) where acknowledged_at is null;

-- Whatever ends a row that was served: a withdrawal, an objection, a restriction, an erasure, an age.
create trigger list_rows_are_recalled after delete on list_rows
when exists (select 1 from list_served s
             where s.business = old.business and s.list = old.list
               and s.rank >= old.rank and s.closed_at is null)
begin
    insert into recalls (business, list, recipient) values (old.business, old.list, old.recipient)
    on conflict (business, list, recipient) do nothing;
end;
