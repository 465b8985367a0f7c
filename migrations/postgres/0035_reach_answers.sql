-- What businesses were told about how many they could reach: counts with noise, kept so that the same
-- question gets the same answer all day, and counted against the business's budget. The question is a
-- keyed hash; nothing here is exact, and nothing names an account.
create table reach_answers (
    business     bytea not null,
    day          bigint not null,
    question     bytea not null check (length(question) = 32),
    counts       text not null,
    answered_at  bigint not null,
    primary key (business, day, question)
);
