-- Canaries: accounts of nobody that are erased every night and looked for afterwards. What they were
-- called follows from the day and the keys, and is not kept.

create table canaries (
    day         bigint not null primary key,   -- midnight UTC
    erased_at   bigint not null,
    looked_at   bigint,                        -- the look of that day, and what it found
    looked_for  bigint,
    in_files    bigint,
    found       bigint
);

-- When the last purge began: what was erased before it is looked for in files too.
insert into counters (name, value) values ('purged_at', 0);
