-- Every fourth level of the tree over a sealed list, so that the paths of a page need few rows and not all
-- leaves. Computed from list_leaves, and gone when the list has expired.

create table list_nodes (
    business  blob    not null,
    list      blob    not null,
    level     integer not null,            -- 4, 8, ...: logarithm of the leaves below a node
    idx       integer not null,            -- from the left
    hash      blob    not null,
    primary key (business, list, level, idx),
    foreign key (business, list) references lists (business, id)
) strict, without rowid;
