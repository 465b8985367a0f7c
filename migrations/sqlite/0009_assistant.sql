-- Support bots: what they are made from, what is published, and sealed conversations.

create table bots (
    bot         blob    not null primary key,
    business    blob    not null,
    -- mutable: the draft that the next publication takes
    name        text    not null,
    languages   text    not null,              -- JSON array of codes
    persona     text    not null,              -- JSON
    revision    integer not null,              -- raised by every change of the draft
    version     integer,                       -- the published version; null before the first
    created_at  integer not null
) strict;
create index bots_of_business on bots (business, bot);

create table bot_documents (
    bot         blob    not null references bots (bot) on delete cascade,
    document    blob    not null,
    title       text    not null,
    kind        text    not null check (kind in ('markdown', 'text', 'faq_csv')),
    url         text,
    language    text,                          -- as told by the uploader
    content     text    not null,
    hash        blob    not null,              -- SHA-256 of title, kind and content
    passages    integer not null,
    created_at  integer not null,
    primary key (bot, document),
    unique (bot, hash)
) strict;

create table bot_versions (
    bot           blob    not null references bots (bot) on delete cascade,
    version       integer not null,
    name          text    not null,
    languages     text    not null,
    persona       text    not null,
    fingerprint   blob    not null,            -- of the passages; the index must have the same
    passages      integer not null,
    published_at  integer not null,
    primary key (bot, version)
) strict;

create table bot_passages (
    bot       blob    not null,
    version   integer not null,
    number    integer not null,
    document  blob    not null,
    kind      text    not null check (kind in ('answer', 'section')),
    title     text    not null,
    body      text    not null,
    url       text,
    language  text    not null,
    primary key (bot, version, number),
    foreign key (bot, version) references bot_versions (bot, version) on delete cascade
) strict;

create table conversations (
    bot             blob    not null references bots (bot) on delete cascade,
    conversation    blob    not null,
    business        blob    not null,
    language        text    not null,
    token_hash      blob    not null,          -- keyed; the token itself is known to the customer
    wrapped_key     blob    not null,          -- seals the messages; gone with the row
    -- mutable
    state           text    not null check (state in ('open', 'waiting', 'closed')),
    messages        integer not null,
    window_start    integer not null,          -- the minute being counted, and its messages
    window_count    integer not null,
    created_at      integer not null,
    waiting_since   integer,
    primary key (bot, conversation)
) strict;
create index conversations_waiting on conversations (business, state, waiting_since);

create table conversation_messages (
    bot           blob    not null,
    conversation  blob    not null,
    number        integer not null,
    author        text    not null check (author in ('customer', 'bot', 'agent')),
    kind          text    not null,
    sealed        blob    not null,            -- text, sources, confidence
    version       integer,                     -- the published version that answered
    created_at    integer not null,
    primary key (bot, conversation, number),
    foreign key (bot, conversation)
        references conversations (bot, conversation) on delete cascade
) strict;

create table conversation_feedback (
    bot           blob    not null,
    conversation  blob    not null,
    number        integer not null,
    helpful       integer not null check (helpful in (0, 1)),
    created_at    integer not null,
    primary key (bot, conversation, number),
    foreign key (bot, conversation, number)
        references conversation_messages (bot, conversation, number) on delete cascade
) strict;
