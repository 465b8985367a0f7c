-- Rotation of keys: where each stands, and which processes serve with which versions.

-- The root that a token's number was hashed with; only tokens of the same version link.
alter table link_tokens add column pepper bigint not null default 1;

create table key_fences (
    domain      text    not null primary key,   -- 'kek' or 'wrap'
    version     bigint  not null,               -- kek: nothing older is written; wrap: what all rows are in
    floor       bytea   not null,               -- the same as 32 bits, the beginning of what is wrapped
    pending     bigint,                         -- wrap: rows are on their way to it, and nobody serves
    ordered_at  bigint                          -- when somebody last looked whether anything is due
);
insert into key_fences (domain, version, floor) values ('kek', 1, '\x00000001'), ('wrap', 1, '\x00000001');

create table key_nodes (
    node      bytea   not null,                 -- random, one per process that serves
    domain    text    not null,
    held      bigint  not null,                 -- the newest version it can read
    active    bigint  not null,                 -- the one it writes with
    seen_at   bigint  not null,
    primary key (node, domain)
);

-- What is wrapped under a root that is about to be destroyed would be lost with it. The lock makes
-- whoever moves the fence wait for those that passed it and have not committed.
create function wrapped_under_a_retired_key() returns trigger language plpgsql as $$
declare bound bytea;
begin
    select floor into bound from key_fences where domain = 'kek' for share;
    if new.wrapped < bound then raise exception 'wrapped under a retired key'; end if;
    return new;
end $$;
create trigger account_keys_behind_the_fence before insert on account_keys
    for each row execute function wrapped_under_a_retired_key();
create trigger idempotency_keys_behind_the_fence before insert on idempotency_keys
    for each row execute function wrapped_under_a_retired_key();

create function conversation_under_a_retired_key() returns trigger language plpgsql as $$
declare bound bytea;
begin
    select floor into bound from key_fences where domain = 'kek' for share;
    if new.wrapped_key < bound then raise exception 'wrapped under a retired key'; end if;
    return new;
end $$;
create trigger conversations_behind_the_fence before insert on conversations
    for each row execute function conversation_under_a_retired_key();
