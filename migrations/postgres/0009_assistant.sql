-- Support bots: what they are made from, what is published, and sealed conversations.

create table bots (
    bot         bytea   not null primary key,
    business    bytea   not null,
    -- mutable: the draft that the next publication takes
    name        text    not null,
    languages   text    not null,              -- JSON array of codes
    persona     text    not null,              -- JSON
    revision    bigint  not null,              -- raised by every change of the draft
    version     bigint,                        -- the published version; null before the first
    created_at  bigint  not null
);
create index bots_of_business on bots (business, bot);

create table bot_documents (
    bot         bytea   not null references bots (bot) on delete cascade,
    document    bytea   not null,
    title       text    not null,
    kind        text    not null check (kind in ('markdown', 'text', 'faq_csv')),
    url         text,
    language    text,                          -- as told by the uploader
    content     text    not null,
    hash        bytea   not null,              -- SHA-256 of title, kind and content
    passages    bigint  not null,
    created_at  bigint  not null,
    primary key (bot, document),
    unique (bot, hash)
);

create table bot_versions (
    bot           bytea   not null references bots (bot) on delete cascade,
    version       bigint  not null,
    name          text    not null,
    languages     text    not null,
    persona       text    not null,
    fingerprint   bytea   not null,            -- of the passages; the index must have the same
    passages      bigint  not null,
    published_at  bigint  not null,
    primary key (bot, version)
);

create table bot_passages (
    bot       bytea   not null,
    version   bigint  not null,
    number    bigint  not null,
    document  bytea   not null,
    kind      text    not null check (kind in ('answer', 'section')),
    title     text    not null,
    body      text    not null,
    url       text,
    language  text    not null,
    primary key (bot, version, number),
    foreign key (bot, version) references bot_versions (bot, version) on delete cascade
);

create table conversations (
    bot             bytea   not null references bots (bot) on delete cascade,
    conversation    bytea   not null,
    business        bytea   not null,
    language        text    not null,
    token_hash      bytea   not null,          -- keyed; the token itself is known to the customer
    wrapped_key     bytea   not null,          -- seals the messages; gone with the row
    -- mutable
    state           text    not null check (state in ('open', 'waiting', 'closed')),
    messages        bigint  not null,
    window_start    bigint  not null,          -- the minute being counted, and its messages
    window_count    bigint  not null,
    created_at      bigint  not null,
    waiting_since   bigint, 
    primary key (bot, conversation)
);
create index conversations_waiting on conversations (business, state, waiting_since);

create table conversation_messages (
    bot           bytea   not null,
    conversation  bytea   not null,
    number        bigint  not null,
    author        text    not null check (author in ('customer', 'bot', 'agent')),
    kind          text    not null,
    sealed        bytea   not null,            -- text, sources, confidence
    version       bigint,                      -- the published version that answered
    created_at    bigint  not null,
    primary key (bot, conversation, number),
    foreign key (bot, conversation)
        references conversations (bot, conversation) on delete cascade
);

create table conversation_feedback (
    bot           bytea   not null,
    conversation  bytea   not null,
    number        bigint  not null,
    helpful       bigint  not null check (helpful in (0, 1)),
    created_at    bigint  not null,
    primary key (bot, conversation, number),
    foreign key (bot, conversation, number)
        references conversation_messages (bot, conversation, number) on delete cascade
);
