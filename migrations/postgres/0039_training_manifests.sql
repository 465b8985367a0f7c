-- The manifest of a model: one keyed hash for each person it learned from, under the root that its
-- ledger entry commits to. Whose leaf is whose is known only with the account's data key. Colocation
-- key: model; no account is named here.
create table model_leaves (
    model   bytea not null,
    leaf    bytea not null,
    primary key (model, leaf)
);

-- What the leaf of a member is made of, beside the account and its key. A grant that is renewed is
-- another entry, so the entries are those of then. Members of before have no leaf.
alter table model_members add column messages bigint;
alter table model_members add column relevance_entry bigint;
alter table model_members add column training_entry bigint;
