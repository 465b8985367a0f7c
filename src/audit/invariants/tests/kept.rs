//! What is kept in contents and texts: topics, labels, phone numbers.

use std::collections::BTreeSet;

use serde_json::json;
use volens_privacy::ledger::{Leaf, LeafKind};
use volens_privacy::{BusinessId, Topics};

use super::super::{store_texts, texts};
use super::{breaking, codes, healthy, same, tamper, violated};
use crate::assistant::corpus::{Document, DocumentKind};
use crate::assistant::persona::Persona;
use crate::assistant::{self, BotDraft, conversation, publish};
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::db::{Db, Statement, values};
use crate::ledger;
use crate::search::{Language, Shelf};
use crate::signals::{Batch, Content, Trait, segment, take_in};
use crate::testing::{World, app};

const SHOP: BusinessId = BusinessId::from_bytes([9; 16]);
const SENSITIVE_CAMPAIGN: Statement = same(
    "SENSITIVE_CAMPAIGN",
    "insert into campaigns (business, id, name, delivery_app, title, body, language, topics, goal,
                            window_from, window_until, created_at)
     values ($1, $1, 'n', 'messenger', 't', 'b', 'en', '[\"health\"]', 'click', 0, 1, 0)",
);
const SENSITIVE_FILTER: Statement = same(
    "SENSITIVE_FILTER",
    "insert into lists (business, id, campaign, size, filter, holdout, created_at, expires_at, state)
     values ($1, $1, $1, 10, '{\"topics\":[\"religion\"]}', 0, 0, 0, 'refused')",
);
const UNREADABLE_MODEL: Statement = same(
    "UNREADABLE_MODEL",
    "insert into models (business, goal, version, id, created_at, entry, artifact, card, activated_at)
     values ($1, 'click', 1, $1, 0, 0, $1, '{}', 0)",
);
const DROP_LABEL: Statement =
    same("DROP_LABEL", "delete from conversation_messages where kind = 'label'");
const PHONE: Statement =
    same("PHONE", "update accounts set time_zone = '+4915112345678' where subject = $1");
const TEXT_COLUMNS: Statement = breaking(
    "TEXT_COLUMNS",
    "select m.name || '.' || c.name as place from sqlite_master m, pragma_table_info(m.name) c
     where m.type = 'table' and c.type = 'TEXT' and m.name not like '\\_sqlx%' escape '\\'",
    "select table_name || '.' || column_name as place from information_schema.columns c
     where table_schema = 'public' and data_type = 'text' and table_name not like '\\_sqlx%'
       and table_name in (select table_name from information_schema.tables
                          where table_schema = 'public' and table_type = 'BASE TABLE')",
);

/// The first topic that the law protects.
fn sensitive() -> String {
    let topic = Topics::builtin().all().find(|topic| topic.is_sensitive());
    topic.expect("one is").id().to_owned()
}

#[tokio::test]
async fn a_sensitive_topic_is_found_wherever_it_is_named() {
    on_both(|db| async move {
        let (world, _) = healthy(db).await;
        let id = [3_u8; 16];
        assert!(Topics::builtin().check("health").is_err(), "the test's topic is refused");
        tamper(&world, SENSITIVE_CAMPAIGN, values![id]).await;
        assert_eq!(violated(&world).await, ["I-8"]);
        tamper(&world, SENSITIVE_FILTER, values![id]).await;
        // Nor does the ledger know such a model, which is said by itself.
        tamper(&world, UNREADABLE_MODEL, values![id]).await;
        assert_eq!(violated(&world).await, ["I-8", "I-15"]);
        let mut found = codes(&world).await;
        found.retain(|code| code.starts_with("topic"));
        assert_eq!(found, ["topic.sensitive", "topics.unreadable"].map(str::to_owned).into());
    })
    .await;
}

#[tokio::test]
async fn a_sensitive_trait_in_a_profile_is_found() {
    on_both(|db| async move {
        let (world, _) = healthy(db).await;
        let received = world.clock.now();
        let body = json!({ "batch": [{
            "type": "identify", "userId": "anna", "messageId": "later", "traits": { "note": "blue" },
        }] });
        let body = body.to_string();
        let mut items =
            segment::batch(Topics::builtin(), body.as_bytes(), received).expect("a batch");
        // Past the door, as only a fault of the program could let it.
        if let Ok(item) = &mut items[0].item
            && let Content::Is(said) = &mut item.content
        {
            said.traits = vec![("note".to_owned(), Trait::Category("Diabetes Typ 2".to_owned()))];
        }
        let batch = Batch { app: app("messenger"), received, items };
        let mut tx = world.db.begin().await.expect("begins");
        take_in(&mut tx, &world.keys, &[batch], received, &mut world.rng(3)).await.expect("taken");
        tx.commit().await.expect("commits");
        assert_eq!(violated(&world).await, ["I-8"]);
    })
    .await;
}

#[tokio::test]
async fn a_sensitive_topic_in_a_profile_is_found() {
    on_both(|db| async move {
        let (world, _) = healthy(db).await;
        let received = world.clock.now();
        let body = json!({ "batch": [{
            "type": "track", "userId": "anna", "event": "Product Viewed", "messageId": "later",
            "properties": { "topics": ["sport.running"] },
        }] });
        let body = body.to_string();
        let mut items =
            segment::batch(Topics::builtin(), body.as_bytes(), received).expect("a batch");
        // Past the door, as only a fault of the program could let it.
        if let Ok(item) = &mut items[0].item
            && let Content::Did(seen) = &mut item.content
        {
            seen.topics = vec![sensitive()];
        }
        let batch = Batch { app: app("messenger"), received, items };
        let mut tx = world.db.begin().await.expect("begins");
        take_in(&mut tx, &world.keys, &[batch], received, &mut world.rng(3)).await.expect("taken");
        tx.commit().await.expect("commits");
        assert_eq!(violated(&world).await, ["I-8"]);
        assert_eq!(codes(&world).await, ["topic.sensitive".to_owned()].into());
    })
    .await;
}

/// A bot of the shop, and one conversation with it.
pub(super) async fn converse(world: &World, db: &Db) {
    let now = world.clock.now();
    let mut rng = world.rng(8);
    let folder = tempfile::tempdir().expect("a directory");
    let shelf = Shelf::new(folder.path().into(), 1);
    let languages = vec![Language::English];
    let draft = BotDraft { name: "Pedal".to_owned(), languages, persona: Persona::default() };
    let mut tx = db.begin().await.expect("begins");
    let bot = assistant::create(&mut tx, &mut rng, now, SHOP, draft).await.expect("a bot");
    let document = Document {
        title: "Care",
        kind: DocumentKind::Markdown,
        content: "# Care\n\nOil the chain every month.\n",
        url: None,
        language: None,
    };
    let read = assistant::read_document(&mut rng, now, &bot.languages, &document).expect("is read");
    assistant::add_document(&mut tx, &bot, read).await.expect("is added");
    tx.commit().await.expect("commits");
    publish::publish(db, &shelf, now, SHOP, bot.id).await.expect("is published");
    let mut tx = db.begin().await.expect("begins");
    let published = assistant::published(&mut tx, bot.id).await.expect("is published");
    conversation::start(&mut tx, &world.keys, &mut rng, now, &published, None)
        .await
        .expect("begins");
    tx.commit().await.expect("commits");
}

#[tokio::test]
async fn a_conversation_without_its_label_is_found() {
    on_both(|db| async move {
        let (world, _) = healthy(db).await;
        converse(&world, &world.db).await;
        assert_eq!(violated(&world).await, Vec::<String>::new());
        assert_eq!(tamper(&world, DROP_LABEL, values![]).await, 1);
        assert_eq!(violated(&world).await, ["I-14"]);
        assert_eq!(codes(&world).await, ["conversation.unlabelled".to_owned()].into());
    })
    .await;
}

#[tokio::test]
async fn a_phone_number_in_a_text_is_found_and_not_told() {
    on_both(|db| async move {
        let (world, anna) = healthy(db).await;
        assert_eq!(tamper(&world, PHONE, values![anna]).await, 1);
        let report = super::look(&world).await;
        assert_eq!(violated(&world).await, ["I-19"]);
        let told = serde_json::to_string(&report).expect("JSON");
        assert!(told.contains("accounts.time_zone") && !told.contains("15112345678"));
    })
    .await;
}

#[tokio::test]
async fn a_phone_number_in_an_entry_of_the_ledger_is_found() {
    on_both(|db| async move {
        let (world, _) = healthy(db).await;
        let now = world.clock.now();
        let said =
            json!({ "counts": 4_915_112_345_678_u64, "notes": [{ "said": "+4915112345678" }] });
        let key = json!({ "vkey": "volens.local/log+12345678+Ac6rZNlr" });
        for (detail, expected) in
            [(json!({ "counts": said["counts"] }), vec![]), (key, vec![]), (said, vec!["I-19"])]
        {
            let leaf = Leaf::new(LeafKind::AuditRun, now).with_detail(detail);
            let mut tx = world.db.begin().await.expect("begins");
            let signer = world.keys.log_signer();
            ledger::append(&mut tx, &signer, &[leaf], now).await.expect("appended");
            tx.commit().await.expect("commits");
            assert_eq!(violated(&world).await, expected);
        }
    })
    .await;
}

#[tokio::test]
async fn every_column_of_texts_is_looked_at_or_exempt_for_a_reason() {
    on_both(|db| async move {
        let mut tx = db.read().await.expect("begins");
        let rows = tx.fetch(TEXT_COLUMNS, values![]).await.expect("the schema");
        let schema: BTreeSet<String> =
            rows.iter().map(|row| row.get("place").expect("a column")).collect();
        let mut known: BTreeSet<String> =
            store_texts::watched_columns(tx.engine()).into_iter().collect();
        for (place, _) in texts::EXEMPT {
            assert!(known.insert((*place).to_owned()), "{place} is watched and exempt");
        }
        assert_eq!(schema, known, "add new columns to DIGITS_AFTER in store.rs, or to EXEMPT");
    })
    .await;
}

#[test]
fn phone_numbers_are_told_from_ids_and_fractions() {
    for text in ["+4915112345678", "call 015112345678.", "\"15112345678\"", "(03012345678)"] {
        assert!(texts::has_phone(text), "{text}");
    }
    for text in
        ["", "2026-11-21", "lst_0123456789", "0.1234567890", "1763700000000000", "abc12345678"]
    {
        assert!(!texts::has_phone(text), "{text}");
    }
}
