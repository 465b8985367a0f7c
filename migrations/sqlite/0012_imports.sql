-- How far an import of a file came, so that it can go on after an interruption. A run is known by
-- the hash of mapping, files and pass; nothing here says what was in them.

create table import_runs (
    run         blob    not null primary key,
    pass        text    not null,
    done        integer not null, -- rows behind it
    started_at  integer not null,
    finished_at integer
) strict;
