-- Canaries: accounts of nobody that are erased every night and looked for afterwards. What they were
-- called follows from the day and the keys, and is not kept.

create table canaries (
    day         integer not null primary key,   -- midnight UTC
    erased_at   integer not null,
    looked_at   integer,                        -- the look of that day, and what it found
    looked_for  integer,
    in_files    integer,
    found       integer
) strict;

-- When the last purge began: what was erased before it is looked for in files too.
insert into counters (name, value) values ('purged_at', 0);
