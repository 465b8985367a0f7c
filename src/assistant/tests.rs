//! The slice on both engines: from documents to a sealed transcript.

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use volens_privacy::Timestamp;
use volens_privacy::identity::BusinessId;
use volens_privacy::keys::KeyRing;

use super::conversation::{self, Conversation, MESSAGES_PER_MINUTE, State, Token};
use super::persona::Wording;
use super::respond::{Desk, hand_over, respond};
use super::transcript::Author;
use super::*;
use crate::db::Db;
use crate::db::testing::on_both;
use crate::search::Shelf;

const NOW: Timestamp = Timestamp::from_micros(1_760_000_000_000_000);
const SHOP: BusinessId = BusinessId::from_bytes([1; 16]);
const OTHER: BusinessId = BusinessId::from_bytes([2; 16]);

const FAQ: &str = "question,answer,url\n\
    How do I return an order?,\"Send it back within 30 days; we pay the postage.\",https://shop.example/returns\n\
    When will my parcel arrive?,Parcels take two to four working days.,\n\
    How can I pay?,\"By card, invoice or bank transfer.\",\n\
    How do I reset my password?,Choose \"forgotten password\" on the sign-in page.,\n\
    Do you ship to Switzerland?,\"Yes, for a flat fee of nine euros.\",\n";
const GUIDE: &str = "# Bicycle care\n\n## Chain\nOil the chain every three hundred kilometres. Wipe it \
    with a dry cloth first.\n\n## Tyres\nPump the tyres to four bar before a long ride.\n";

/// A business with a bot, a desk to answer at, and generators that never repeat.
struct World {
    db: Db,
    shelf: Shelf,
    keys: KeyRing,
    rng: StdRng,
    now: Timestamp,
    folder: tempfile::TempDir,
}

impl World {
    fn new(db: Db) -> Self {
        let mut rng = StdRng::seed_from_u64(7);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let shelf = Shelf::new(folder.path().into(), 4);
        let keys = KeyRing::generate(&mut rng, NOW);
        Self { db, shelf, keys, rng, now: NOW, folder }
    }

    async fn bot(&mut self, draft: BotDraft) -> Bot {
        let mut tx = self.db.begin().await.expect("begins");
        let bot = create(&mut tx, &mut self.rng, NOW, SHOP, draft).await.expect("a bot is made");
        tx.commit().await.expect("commits");
        bot
    }

    async fn add(&mut self, bot: &Bot, kind: DocumentKind, title: &str, content: &str) -> Document {
        let document = corpus::Document { title, kind, content, url: None, language: None };
        let read = read_document(&mut self.rng, NOW, &bot.languages, &document).expect("is read");
        let mut tx = self.db.begin().await.expect("begins");
        let (added, _) = add_document(&mut tx, bot, read).await.expect("is added");
        tx.commit().await.expect("commits");
        added
    }

    async fn publish(&self, bot: &Bot) -> publish::Publication {
        let published = publish::publish(&self.db, &self.shelf, self.now, SHOP, bot.id).await;
        published.expect("is published")
    }

    /// A published bot with the questions and the guide.
    async fn shop(&mut self) -> Bot {
        let bot = self.bot(draft(&[Language::English])).await;
        self.add(&bot, DocumentKind::FaqCsv, "Questions", FAQ).await;
        self.add(&bot, DocumentKind::Markdown, "Bicycle care", GUIDE).await;
        self.publish(&bot).await;
        bot
    }

    async fn start(&mut self, bot: &Bot, wanted: Option<Language>) -> conversation::Started {
        let mut tx = self.db.begin().await.expect("begins");
        let published = published(&mut tx, bot.id).await.expect("is published");
        let started =
            conversation::start(&mut tx, &self.keys, &mut self.rng, self.now, &published, wanted);
        let started = started.await.expect("begins");
        tx.commit().await.expect("commits");
        started
    }

    async fn ask(&mut self, started: &conversation::Started, text: &str) -> Result<Reply> {
        let desk = Desk { db: &self.db, shelf: &self.shelf, keys: &self.keys, now: self.now };
        respond(&desk, &mut self.rng, &started.token, started.conversation.id(), text).await
    }

    async fn say(&mut self, started: &conversation::Started, text: &str) -> Reply {
        self.ask(started, text).await.expect("is answered")
    }

    async fn open(&self, started: &conversation::Started) -> Conversation {
        let mut tx = self.db.read().await.expect("begins");
        let id = started.conversation.id();
        conversation::open(&mut tx, &self.keys, &started.token, id).await.expect("opens")
    }
}

fn draft(languages: &[Language]) -> BotDraft {
    let persona = Persona {
        greeting: Some(Wording::One("Ahoy!".to_owned())),
        sign_off: Some(Wording::One("The bicycle crew".to_owned())),
        refused_topics: vec!["politics".to_owned()],
        ..Persona::default()
    };
    BotDraft { name: "Pedal".to_owned(), languages: languages.to_vec(), persona }
}

#[tokio::test]
async fn a_question_is_answered_word_for_word_with_its_source() {
    on_both(|db| async move {
        let mut world = World::new(db);
        let bot = world.shop().await;
        let started = world.start(&bot, None).await;
        let reply = world.say(&started, "how can i return my order").await;
        assert_eq!(reply.kind, ReplyKind::Answer);
        assert_eq!(reply.text, "Send it back within 30 days; we pay the postage.");
        assert_eq!(reply.sources[0].title, "How do I return an order?");
        assert_eq!(reply.sources[0].url.as_deref(), Some("https://shop.example/returns"));
        assert!(reply.ai && reply.confidence > 0.5 && reply.confidence <= 1.0);

        let reply = world.say(&started, "How often should I oil the chain of my bicycle?").await;
        assert_eq!(reply.kind, ReplyKind::Answer);
        let source = &reply.sources[0];
        assert_eq!(source.title, "Bicycle care › Chain");
        let highlight = source.highlight.as_ref().expect("a sentence is highlighted");
        assert_eq!(highlight.text, "Oil the chain every three hundred kilometres.");
        let characters: String = source
            .passage
            .chars()
            .skip(highlight.start as usize)
            .take((highlight.end - highlight.start) as usize)
            .collect();
        assert_eq!(characters, highlight.text);
    })
    .await;
}

#[tokio::test]
async fn typing_errors_are_forgiven_and_nonsense_is_not_answered() {
    on_both(|db| async move {
        let mut world = World::new(db);
        let bot = world.shop().await;
        let started = world.start(&bot, None).await;
        let reply = world.say(&started, "how do i reset my pasword").await;
        assert_eq!(
            (reply.kind, reply.sources[0].title.as_str()),
            (ReplyKind::Answer, "How do I reset my password?")
        );
        for nonsense in [
            "What is the capital of Mongolia?",
            "flurb grommet zzyzx",
            "Can you write me a poem about the sea?",
            "how do I do the",
            "?!",
        ] {
            let started = world.start(&bot, None).await;
            let reply = world.say(&started, nonsense).await;
            assert_eq!(reply.kind, ReplyKind::Handoff, "{nonsense}: {}", reply.text);
            assert!(reply.text.starts_with("I don't know") && reply.sources.is_empty());
            assert!(reply.text.ends_with("The bicycle crew"));
        }
    })
    .await;
}

#[tokio::test]
async fn the_label_comes_first_in_every_language_and_no_persona_removes_it() {
    on_both(|db| async move {
        let mut world = World::new(db);
        let bot = world.bot(draft(&Language::ALL)).await;
        world.add(&bot, DocumentKind::FaqCsv, "Questions", FAQ).await;
        world.publish(&bot).await;
        for language in Language::ALL {
            let started = world.start(&bot, Some(language)).await;
            assert_eq!(started.conversation.language(), language);
            let mut tx = world.db.read().await.expect("begins");
            let conversation = &started.conversation;
            let said = transcript::read(&mut tx, &world.keys, conversation, 0, 9).await;
            let said = said.expect("the transcript opens");
            assert_eq!((said[0].kind.as_str(), said[0].text.as_str()), ("label", started.label));
            assert_eq!(said[0].text, phrases::label(language));
            assert!(said[0].ai && said[1].kind == "greeting");
            let own = said[1].text == "Ahoy!";
            assert_eq!(own, language == Language::English, "{language}");
        }
    })
    .await;
}

#[tokio::test]
async fn after_a_hand_over_the_bot_is_silent_and_the_customer_is_told() {
    on_both(|db| async move {
        let mut world = World::new(db);
        let bot = world.shop().await;
        for (text, kind) in [
            ("Can I talk to a human?", ReplyKind::Handoff),
            ("What do you think of politics?", ReplyKind::Refusal),
            ("I want to die", ReplyKind::Refusal),
        ] {
            let started = world.start(&bot, None).await;
            assert_eq!(world.say(&started, text).await.kind, kind, "{text}");
            let reply = world.say(&started, "How do I return an order?").await;
            assert_eq!(reply.kind, ReplyKind::Handoff);
            assert!(reply.sources.is_empty() && reply.message.is_none());
            let open = world.open(&started).await;
            assert_eq!(open.state(), State::Waiting);
            let mut tx = world.db.read().await.expect("begins");
            let said = transcript::read(&mut tx, &world.keys, &open, 0, 99).await;
            let authors: Vec<Author> =
                said.expect("opens").iter().map(|message| message.author).collect();
            let expected =
                [Author::Bot, Author::Bot, Author::Customer, Author::Bot, Author::Customer];
            assert_eq!(authors, expected, "the last message has no reply of the bot");
        }
        let mut tx = world.db.read().await.expect("begins");
        let first = conversation::waiting(&mut tx, SHOP, None, 2).await.expect("lists");
        assert_eq!(first.len(), 2);
        let after = Some((first[1].waiting_since, first[1].conversation));
        assert_eq!(conversation::waiting(&mut tx, SHOP, after, 9).await.expect("lists").len(), 1);
        assert!(conversation::waiting(&mut tx, OTHER, None, 9).await.expect("lists").is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_person_can_be_asked_for_without_a_message() {
    on_both(|db| async move {
        let mut world = World::new(db);
        let bot = world.shop().await;
        let started = world.start(&bot, None).await;
        let id = started.conversation.id();
        let World { db, shelf, keys, rng, now, .. } = &mut world;
        let desk = Desk { db, shelf, keys, now: *now };
        let reply = hand_over(&desk, rng, &started.token, id).await.expect("hands over");
        assert_eq!((reply.kind, reply.message), (ReplyKind::Handoff, Some(2)));
        let again = hand_over(&desk, rng, &started.token, id).await.expect("hands over");
        assert_eq!((again.kind, again.message), (ReplyKind::Handoff, None));
    })
    .await;
}

#[tokio::test]
async fn the_bot_asks_back_between_close_candidates_and_takes_a_number() {
    on_both(|db| async move {
        let mut world = World::new(db);
        let bot = world.bot(draft(&[Language::English])).await;
        let faq = "question,answer\n\
            How do I cancel my subscription?,Under account then plan.\n\
            How do I cancel my order?,Under orders then cancel.\n\
            Where is the shop?,In Ghent.\n";
        world.add(&bot, DocumentKind::FaqCsv, "Questions", faq).await;
        world.publish(&bot).await;
        let started = world.start(&bot, None).await;
        let reply = world.say(&started, "how do I cancel").await;
        assert_eq!(reply.kind, ReplyKind::Clarify, "{}", reply.confidence);
        assert_eq!(reply.sources.len(), 2);
        assert!(reply.text.contains("\n1. How do I cancel my ") && reply.text.contains("\n2. "));
        let second = reply.sources[1].clone();
        let reply = world.say(&started, "2").await;
        assert_eq!((reply.kind, reply.text), (ReplyKind::Answer, second.passage));
    })
    .await;
}

#[tokio::test]
async fn the_transcript_is_sealed_and_only_its_token_opens_it() {
    on_both(|db| async move {
        let mut world = World::new(db);
        let bot = world.shop().await;
        let started = world.start(&bot, None).await;
        world.say(&started, "Where is the giraffe I ordered?").await;
        let mut tx = world.db.read().await.expect("begins");
        let open = world.open(&started).await;
        let stored = store::conversations::messages(&mut tx, &open, 0, 99).await.expect("reads");
        assert_eq!(stored.len(), 4);
        for message in &stored {
            let bytes = String::from_utf8_lossy(&message.sealed);
            assert!(!bytes.contains("giraffe") && !bytes.contains("text"));
        }
        // Another conversation's key, another token, another id: all the same "unknown".
        let id = started.conversation.id();
        let other = world.start(&bot, None).await;
        let mut tx = world.db.read().await.expect("begins");
        for (token, id) in [(&other.token, id), (&started.token, other.conversation.id())] {
            let opened = conversation::open(&mut tx, &world.keys, token, id).await;
            assert!(matches!(opened, Err(AssistantError::ConversationUnknown)));
        }
        let token = Token::parse(&started.token.reveal()).expect("the token's own text");
        assert!(conversation::open(&mut tx, &world.keys, &token, id).await.is_ok());
        for odd in ["", "vct_", "vct_00_00", &started.token.reveal()[1..]] {
            assert!(Token::parse(odd).is_none());
        }
    })
    .await;
}

#[tokio::test]
async fn messages_have_limits() {
    on_both(|db| async move {
        let mut world = World::new(db);
        let bot = world.shop().await;
        let started = world.start(&bot, None).await;
        let code = |reply: Result<Reply>| reply.err().and_then(|error| error.code());
        assert_eq!(code(world.ask(&started, " \n").await), Some("message.empty"));
        let long = "a".repeat(conversation::MESSAGE_BYTES + 1);
        assert_eq!(code(world.ask(&started, &long).await), Some("message.too_long"));
        for _ in 0..MESSAGES_PER_MINUTE {
            world.say(&started, "How can I pay?").await;
        }
        assert_eq!(code(world.ask(&started, "How can I pay?").await), Some("message.too_fast"));
        world.now = world.now.plus(Duration::from_mins(1));
        assert_eq!(code(world.ask(&started, "How can I pay?").await), None);
    })
    .await;
}

#[tokio::test]
async fn a_bot_belongs_to_its_business_and_is_public_only_when_published() {
    on_both(|db| async move {
        let mut world = World::new(db);
        let made = world.bot(draft(&[Language::English])).await;
        let mut tx = world.db.read().await.expect("begins");
        assert!(bot(&mut tx, SHOP, made.id).await.is_ok());
        let foreign = bot(&mut tx, OTHER, made.id).await;
        assert!(matches!(foreign, Err(AssistantError::BotUnknown)));
        assert_eq!(bots(&mut tx, SHOP, None, 9).await.expect("lists").len(), 1);
        assert!(bots(&mut tx, SHOP, Some(made.id), 9).await.expect("lists").is_empty());
        assert!(bots(&mut tx, OTHER, None, 9).await.expect("lists").is_empty());
        let hidden = published(&mut tx, made.id).await;
        assert!(matches!(hidden, Err(AssistantError::BotUnpublished)));
        let absent = published(&mut tx, BotId::from_bytes([9; 16])).await;
        assert!(matches!(absent, Err(AssistantError::BotUnknown)));
        drop(tx);
        let empty = publish::publish(&world.db, &world.shelf, NOW, SHOP, made.id).await;
        assert!(matches!(empty, Err(AssistantError::BotEmpty)));
        let foreign = publish::publish(&world.db, &world.shelf, NOW, OTHER, made.id).await;
        assert!(matches!(foreign, Err(AssistantError::BotUnknown)));
    })
    .await;
}

#[tokio::test]
async fn customers_see_a_change_only_after_publication() {
    on_both(|db| async move {
        let mut world = World::new(db);
        let made = world.shop().await;
        let added = world.add(&made, DocumentKind::Text, "Bells", "Bells cost five euros.").await;
        let mut tx = world.db.read().await.expect("begins");
        let (_, passages) = preview(&mut tx, &made, added.id).await.expect("previews");
        assert_eq!(passages[0].text, "Bells cost five euros.");
        assert_eq!(documents(&mut tx, &made, None, 9).await.expect("lists").len(), 3);
        drop(tx);
        let started = world.start(&made, None).await;
        assert_eq!(world.say(&started, "What do bells cost?").await.kind, ReplyKind::Handoff);
        assert_eq!(world.publish(&made).await.version, 2);
        let started = world.start(&made, None).await;
        assert_eq!(world.say(&started, "What do bells cost?").await.text, "Bells cost five euros.");
    })
    .await;
}

#[tokio::test]
async fn what_is_removed_is_gone_after_the_next_publication() {
    on_both(|db| async move {
        let mut world = World::new(db);
        let made = world.shop().await;
        let added = world.add(&made, DocumentKind::Text, "Bells", "Bells cost five euros.").await;
        world.publish(&made).await;
        let mut tx = world.db.begin().await.expect("begins");
        let current = bot(&mut tx, SHOP, made.id).await.expect("found");
        drop_document(&mut tx, &current, added.id).await.expect("is dropped");
        let renamed = BotDraft { name: "Wheel".to_owned(), ..draft(&[Language::English]) };
        change(&mut tx, current, renamed).await.expect("is changed");
        tx.commit().await.expect("commits");
        let started = world.start(&made, None).await;
        assert_eq!(world.say(&started, "What do bells cost?").await.kind, ReplyKind::Answer);
        assert_eq!(world.publish(&made).await.version, 3);
        let started = world.start(&made, None).await;
        assert_eq!(world.say(&started, "What do bells cost?").await.kind, ReplyKind::Handoff);
        let mut tx = world.db.begin().await.expect("begins");
        assert_eq!(published(&mut tx, made.id).await.expect("public").name, "Wheel");
        let gone = drop_document(&mut tx, &made, added.id).await;
        assert!(matches!(gone, Err(AssistantError::DocumentUnknown)));
        drop(tx);
        let versions = publish::versions(&world.db, &made).await.expect("lists");
        let numbers: Vec<u64> = versions.iter().map(|(version, _, _)| *version).collect();
        assert_eq!(numbers, [3, 2, 1]);
    })
    .await;
}

#[tokio::test]
async fn the_same_document_again_and_equal_passages_count_once() {
    on_both(|db| async move {
        let mut world = World::new(db);
        let made = world.shop().await;
        let first = world.add(&made, DocumentKind::Text, "Bells", "Bells cost five euros.").await;
        let again = world.add(&made, DocumentKind::Text, "Bells", "Bells cost five euros.").await;
        assert_eq!(first.id, again.id);
        world.add(&made, DocumentKind::Markdown, "Bells", "Bells cost five euros.").await;
        let publication = world.publish(&made).await;
        assert_eq!((publication.passages, publication.duplicates), (8, 1));
    })
    .await;
}

#[tokio::test]
async fn only_the_last_versions_are_kept() {
    on_both(|db| async move {
        let mut world = World::new(db);
        let made = world.shop().await;
        for _ in 0..11 {
            world.publish(&made).await;
        }
        let versions = publish::versions(&world.db, &made).await.expect("lists");
        assert_eq!((versions.len(), versions[0].0), (10, 12));
        let folder = world.folder.path().join(crate::ids::hex(made.id.as_bytes()));
        assert_eq!(std::fs::read_dir(folder).expect("reads").count(), 10);
    })
    .await;
}

#[tokio::test]
async fn a_deleted_index_is_built_again_from_the_database() {
    on_both(|db| async move {
        let mut world = World::new(db);
        let made = world.shop().await;
        std::fs::remove_dir_all(world.folder.path()).expect("deleted");
        // A fresh process: nothing is open, nothing is on disk.
        world.shelf = Shelf::new(world.folder.path().into(), 4);
        let started = world.start(&made, None).await;
        let reply = world.say(&started, "Do you ship to Switzerland?").await;
        assert_eq!(reply.text, "Yes, for a flat fee of nine euros.");
    })
    .await;
}

#[tokio::test]
async fn feedback_is_kept_for_replies_of_the_bot_only() {
    on_both(|db| async move {
        let mut world = World::new(db);
        let made = world.shop().await;
        let started = world.start(&made, None).await;
        let reply = world.say(&started, "How can I pay?").await;
        let number = reply.message.expect("a reply has a number");
        let mut tx = world.db.begin().await.expect("begins");
        let open = &started.conversation;
        conversation::rate(&mut tx, open, number, true, NOW).await.expect("is kept");
        conversation::rate(&mut tx, open, number, false, NOW).await.expect("is kept");
        for other in [number - 1, number + 1] {
            let refused = conversation::rate(&mut tx, open, other, true, NOW).await;
            assert!(matches!(refused, Err(AssistantError::MessageUnknown)));
        }
        tx.commit().await.expect("commits");
    })
    .await;
}

#[test]
fn a_bot_is_checked() {
    let part = |change: fn(&mut BotDraft)| {
        let mut draft = draft(&[Language::English]);
        change(&mut draft);
        match draft.check() {
            Err(AssistantError::BotInvalid(part)) => part,
            _ => "",
        }
    };
    assert_eq!(part(|_| {}), "");
    assert_eq!(part(|draft| draft.name = " ".to_owned()), "name");
    assert_eq!(part(|draft| draft.languages.clear()), "languages");
    assert_eq!(part(|draft| draft.languages.push(Language::English)), "languages");
    assert_eq!(
        part(|draft| draft.persona.greeting = Some(Wording::One("a".repeat(601)))),
        "persona.greeting"
    );
    assert_eq!(
        part(|draft| draft.persona.refused_topics = vec![String::new()]),
        "persona.refused_topics"
    );
}

#[tokio::test]
async fn a_conversation_is_kept_for_thirty_days_after_the_last_message() {
    on_both(|db| async move {
        let mut world = World::new(db);
        let bot = world.shop().await;
        let (silent, lively) = (world.start(&bot, None).await, world.start(&bot, None).await);
        world.now = NOW.plus(conversation::KEPT);
        world.say(&lively, "How can I pay?").await;
        world.now = world.now.plus(Duration::from_mins(2));
        let mut tx = world.db.begin().await.expect("begins");
        let gone = conversation::forget_old(&mut tx, world.now).await.expect("forgets");
        tx.commit().await.expect("commits");
        assert_eq!(gone, 1);
        assert!(world.ask(&silent, "Hello?").await.is_err(), "nothing is left of it");
        world.open(&lively).await;
    })
    .await;
}
