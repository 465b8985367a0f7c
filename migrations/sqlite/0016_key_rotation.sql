-- Rotation of keys: where each stands, and which processes serve with which versions.

-- The root that a token's number was hashed with; only tokens of the same version link.
alter table link_tokens add column pepper integer not null default 1;

create table key_fences (
    domain      text    not null primary key,   -- 'kek' or 'wrap'
    version     integer not null,               -- kek: nothing older is written; wrap: what all rows are in
    floor       blob    not null,               -- the same as 32 bits, the beginning of what is wrapped
    pending     integer,                        -- wrap: rows are on their way to it, and nobody serves
    ordered_at  integer                         -- when somebody last looked whether anything is due
) strict;
insert into key_fences (domain, version, floor) values ('kek', 1, x'00000001'), ('wrap', 1, x'00000001');

create table key_nodes (
    node      blob    not null,                 -- random, one per process that serves
    domain    text    not null,
    held      integer not null,                 -- the newest version it can read
    active    integer not null,                 -- the one it writes with
    seen_at   integer not null,
    primary key (node, domain)
) strict;

-- What is wrapped under a root that is about to be destroyed would be lost with it.
create trigger account_keys_behind_the_fence before insert on account_keys
when new.wrapped < (select floor from key_fences where domain = 'kek')
begin select raise(abort, 'wrapped under a retired key'); end;

create trigger conversations_behind_the_fence before insert on conversations
when new.wrapped_key < (select floor from key_fences where domain = 'kek')
begin select raise(abort, 'wrapped under a retired key'); end;

create trigger idempotency_keys_behind_the_fence before insert on idempotency_keys
when new.wrapped < (select floor from key_fences where domain = 'kek')
begin select raise(abort, 'wrapped under a retired key'); end;
