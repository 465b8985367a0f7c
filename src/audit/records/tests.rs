//! The register and the breach kit on both engines.

use std::collections::BTreeSet;
use std::time::Duration;

use volens_privacy::{PurposeKind, Timestamp};

use super::breach::{COLUMNS, OTHERS};
use super::{Held, NewIncident, affected, incidents, measure, note, register, tell};
use crate::clock::Clock as _;
use crate::config;
use crate::db::testing::on_both;
use crate::db::{Statement, values};
use crate::ids::IncidentId;
use crate::rights::{self, traces};
use crate::testing::World;

#[tokio::test]
async fn the_register_says_what_is_processed_and_what_nobody_has_said_yet() {
    on_both(|db| async move {
        let world = World::new(db).await;
        world.account("messenger", "u1").await;
        world.give("messenger", "u1", PurposeKind::Relevance).await;
        let settings = config::load(None, [], &[("audit.controller", "Town Ltd".to_owned())]);
        let settings = settings.expect("valid settings");
        let mut tx = world.db.read().await.expect("begins");
        let made = register(&mut tx, &settings.audit, world.clock.now()).await.expect("made");
        assert_eq!(made.controller, "Town Ltd");
        assert_eq!(made.missing, ["audit.contact", "audit.officer_contact"]);
        let kinds: Vec<_> = made.activities.iter().map(|one| one.purpose).collect();
        assert_eq!(kinds, PurposeKind::ALL);
        let of = |kind| made.activities.iter().find(|one| one.purpose == kind).expect("is there");
        assert_eq!(of(PurposeKind::Relevance).live_consents, 1);
        assert!(of(PurposeKind::CrossAppLinking).assessment_missing);
        assert!(!of(PurposeKind::Relevance).assessment_missing);
        assert_eq!(made.accounts, 1);
    })
    .await;
}

#[tokio::test]
async fn a_breach_counts_who_was_there_and_what_can_be_read() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let early = world.account("messenger", "early").await;
        let gone = world.account("messenger", "gone").await;
        world.clock.advance(Duration::from_hours(48));
        let from = world.clock.now();
        let mut tx = world.db.begin().await.expect("begins");
        rights::erase(&mut tx, &world.keys, gone, from).await.expect("erased");
        tx.commit().await.expect("commits");
        let to = from.plus(Duration::from_hours(1));
        world.clock.advance(Duration::from_hours(48));
        world.account("messenger", "late").await;

        let mut tx = world.db.read().await.expect("begins");
        let taken = measure(&mut tx, (from, to), false).await.expect("measured");
        assert_eq!((taken.accounts, taken.erased_since), (1, 1));
        assert_eq!(taken.by_app.get("messenger"), Some(&1));
        let ids = affected(&mut tx, to, None, 10).await.expect("reads");
        assert_eq!(ids, [early]);
        let column = |of: &super::Breach, place: &str| {
            let (table, name) = place.split_once('.').expect("a place");
            let table = of.tables.iter().find(|one| one.name == table).expect("a table");
            table.columns.iter().find(|one| one.name == name).expect("a column").clone()
        };
        // Every column that is said not to be in clear is there.
        for (place, held) in COLUMNS {
            assert_eq!(column(&taken, place).held, *held, "{place}");
        }
        let sealed = column(&taken, "consent_records.sealed");
        assert_eq!((sealed.held, sealed.readable), (Held::Sealed, false));
        assert!(column(&taken, "accounts.country").readable);
        // What nobody has classified counts as clear.
        assert_eq!(column(&taken, "accounts.changed").held, Held::Clear);
        let keyed = measure(&mut tx, (from, to), true).await.expect("measured");
        assert!(column(&keyed, "consent_records.sealed").readable);
        assert!(!column(&keyed, "account_references.tag").readable);
        let said: BTreeSet<_> = taken.consequences.iter().chain(&keyed.consequences).collect();
        assert!(said.len() > taken.consequences.len());
    })
    .await;
}

const TABLES: Statement = Statement::new(
    "records::tests",
    "TABLES",
    "select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'",
    "select table_name::text as name from information_schema.tables
     where table_schema = current_schema() and table_type = 'BASE TABLE'",
);
/// Of apps and businesses, of texts and models, of the ledger, and counts.
const OF_NOBODY: [&str; 34] = [
    "_sqlx_migrations",
    "apps",
    "assessments",
    "audit_nights",
    "audit_runs",
    "bot_documents",
    "bot_passages",
    "bot_versions",
    "bots",
    "businesses",
    "campaigns",
    "canaries",
    "counters",
    "import_runs",
    "incidents",
    "jobs",
    "key_checks",
    "key_fences",
    "key_nodes",
    "ledger_checkpoints",
    "ledger_cosignatures",
    "ledger_entries",
    "ledger_heads",
    "ledger_nodes",
    "ledger_shards",
    "list_leaves",
    "list_nodes",
    "lists",
    "model_leaves",
    "models",
    "notice_parties",
    "notices",
    "reach_answers",
    "signal_refusals",
];

#[tokio::test]
async fn a_breach_leaves_out_no_table_that_holds_something_of_people() {
    on_both(|db| async move {
        let mut tx = db.read().await.expect("a snapshot");
        let tables = tx.fetch(TABLES, values![]).await.expect("a catalog");
        let tables: BTreeSet<String> =
            tables.iter().map(|row| row.get("name").expect("a name")).collect();
        let told = traces::TABLES.iter().chain(OTHERS).chain(&OF_NOBODY);
        let known: BTreeSet<String> = told.map(|name| (*name).to_owned()).collect();
        assert_eq!(tables.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new());
        assert!(traces::TABLES.iter().chain(OTHERS).all(|name| tables.contains(*name)));
    })
    .await;
}

const BYTES: Statement = Statement::new(
    "records::tests",
    "BYTES",
    "select schema.name as place, info.name as name
     from sqlite_schema schema, pragma_table_info(schema.name) info
     where schema.type = 'table' and upper(info.type) = 'BLOB'",
    "select table_name::text as place, column_name::text as name from information_schema.columns
     where table_schema = current_schema() and data_type = 'bytea'",
);
/// Random ids of what is not a person, which a row of a person points to.
const POINTERS: [&str; 15] = [
    "asked_by",
    "bot",
    "business",
    "campaign",
    "decided_by",
    "exposure",
    "lender_grant",
    "list",
    "messages_grant",
    "model",
    "own_grant",
    "reader",
    "relevance_grant",
    "request",
    "training_grant",
];

#[tokio::test]
async fn a_breach_says_how_everything_is_kept_that_is_not_a_text_or_a_number() {
    on_both(|db| async move {
        let mut tx = db.read().await.expect("a snapshot");
        let now = Timestamp::parse("2026-11-23T00:00:00Z").expect("a time");
        let taken = measure(&mut tx, (now, now), true).await.expect("measured");
        let rows = tx.fetch(BYTES, values![]).await.expect("a catalog");
        let bytes: BTreeSet<(String, String)> = rows
            .iter()
            .map(|row| (row.get("place").expect("a table"), row.get("name").expect("a column")))
            .collect();
        let mut clear = Vec::new();
        for table in &taken.tables {
            for column in table.columns.iter().filter(|column| column.held == Held::Clear) {
                let place = (table.name.clone(), column.name.clone());
                if bytes.contains(&place) && !POINTERS.contains(&column.name.as_str()) {
                    clear.push(place);
                }
            }
        }
        assert_eq!(clear, []);
    })
    .await;
}

#[tokio::test]
async fn the_authority_is_to_be_told_within_72_hours() {
    on_both(|db| async move {
        let world = World::new(db).await;
        world.account("messenger", "u1").await;
        let now = world.clock.now();
        let period = (now.minus(Duration::from_hours(5)), now);
        let noticed_at = now.minus(Duration::from_hours(2));
        let new = NewIncident { period, keys: false, noticed_at };
        let mut tx = world.db.begin().await.expect("begins");
        let noted = note(&mut tx, &world.keys, &mut world.rng(1), new, now).await.expect("noted");
        tx.commit().await.expect("commits");
        assert_eq!(noted.due_at, noticed_at.plus(Duration::from_hours(72)));
        assert_eq!(noted.hours_left(now), Some(70));
        assert!(!noted.is_late(now));
        let later = now.plus(Duration::from_hours(71));
        assert!(noted.is_late(later) && noted.hours_left(later).is_none());

        let mut tx = world.db.begin().await.expect("begins");
        let told = tell(&mut tx, &world.keys, noted.id, now).await.expect("told").expect("is one");
        assert!(!told.is_late(later), "it was told in time");
        let again = tell(&mut tx, &world.keys, noted.id, now).await.expect("answers");
        assert!(again.is_none());
        let nobody = IncidentId::from_bytes([1; 16]);
        assert!(tell(&mut tx, &world.keys, nobody, now).await.expect("answers").is_none());
        tx.commit().await.expect("commits");
        let mut tx = world.db.read().await.expect("begins");
        assert_eq!(incidents(&mut tx).await.expect("reads"), [told]);
    })
    .await;
}
