-- Lists in the making, and stops that outlive them.

-- Which run builds the list; a run that another one took over from, or that was given up, writes no more.
alter table lists add column run bigint not null default 0;

-- Stops of recipients whose row is gone, so that nobody can say whose they are before a list would have
-- them again. The recipient id is what the business knows; nothing here names an account.
create table recipient_stops (
    business    bytea not null,
    recipient   bytea not null,
    kind        text not null check (kind in ('stop', 'complaint')),
    stopped_at  bigint not null,
    primary key (business, recipient)
);
