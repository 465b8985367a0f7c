-- Every fourth level of the tree over a sealed list, so that the paths of a page need few rows and not all
-- leaves. Computed from list_leaves, and gone when the list has expired.

create table list_nodes (
    business  bytea   not null,
    list      bytea   not null,
    level     bigint  not null,            -- 4, 8, ...: logarithm of the leaves below a node
    idx       bigint  not null,            -- from the left
    hash      bytea   not null,
    primary key (business, list, level, idx),
    foreign key (business, list) references lists (business, id)
);
