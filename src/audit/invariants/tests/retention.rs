//! How long what is kept.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::retention::{ALWAYS, LIMITS, WITH};
use super::kept::converse;
use super::lists::with_a_list;
use super::{breaking, codes, healthy, look, same, tamper, violated};
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::db::{Statement, values};
use crate::signals;
use crate::testing::World;

const TABLES_THERE: Statement = breaking(
    "TABLES_THERE",
    "select name from sqlite_schema
     where type = 'table' and name not like 'sqlite\\_%' escape '\\'
       and name not like '\\_sqlx%' escape '\\'",
    "select table_name::text as name from information_schema.tables
     where table_schema = 'public' and table_type = 'BASE TABLE'
       and table_name not like '\\_sqlx%'",
);

#[tokio::test]
async fn every_table_says_how_long_it_is_kept() {
    on_both(|db| async move {
        let mut tx = db.read().await.expect("begins");
        let rows = tx.fetch(TABLES_THERE, values![]).await.expect("the schema");
        let schema: BTreeSet<String> =
            rows.iter().map(|row| row.get("name").expect("a name")).collect();
        let limited = LIMITS.iter().map(|(table, ..)| *table);
        let others = WITH.iter().chain(ALWAYS).map(|(table, _)| *table);
        let all: Vec<String> = limited.chain(others).map(str::to_owned).collect();
        let known: BTreeSet<String> = all.iter().cloned().collect();
        assert_eq!(schema, known, "say in retention.rs how long a new table is kept");
        assert_eq!(known.len(), all.len(), "each once");
        for (table, other) in WITH {
            assert!(known.contains(*other), "{table} is kept with nothing");
        }
        for (table, why) in ALWAYS {
            assert!(why.len() > 20, "{table}: {why}");
        }
    })
    .await;
}

/// What lets a row be there too long, by table. What runs out with a list is seen below.
const LATE: [(&str, Statement); 13] = [
    (
        "audit_runs",
        same(
            "LATE_RUN",
            "insert into audit_runs (id, at, ledger_size, report, hash, entry)
             values ($1, 0, 0, '{}', $1, 0)",
        ),
    ),
    (
        "conversations",
        same("LATE_CONVERSATION", "update conversations set created_at = 0, window_start = 0"),
    ),
    (
        "grants",
        same(
            "LATE_GRANT",
            "update grants set expires_at = given_at - 3600000000
             where purpose = 'business_messages'",
        ),
    ),
    (
        "idempotency_keys",
        breaking(
            "LATE_ANSWER",
            "insert into idempotency_keys (id, fingerprint, status, wrapped, answer, created_at)
             values ($1, $1, 200, x'00000001', $1, 0)",
            "insert into idempotency_keys (id, fingerprint, status, wrapped, answer, created_at)
             values ($1, $1, 200, '\\x00000001', $1, 0)",
        ),
    ),
    (
        "jobs",
        same(
            "LATE_JOB",
            "insert into jobs (id, kind, payload, state, run_at, attempts, created_at, finished_at)
             values ($1, 'none', '{}', 'failed', 0, 1, 0, 0)",
        ),
    ),
    (
        "openings",
        same(
            "LATE_OPENING",
            "insert into openings (subject, id, asked_by, reason, asked_at, expires_at, asked_entry)
             select subject, $1, $1, $1, 0, 0, 0 from accounts where app = 'messenger'",
        ),
    ),
    (
        "privacy_links",
        same(
            "LATE_ADDRESS",
            "insert into privacy_links (token, subject, app, tag, expires_at)
             select $1, subject, app, $1, 0 from accounts where app = 'messenger'",
        ),
    ),
    (
        "recalls",
        same(
            "LATE_RECALL",
            "insert into recalls (business, list, recipient, raised_at, acknowledged_at)
             values ($1, $1, $1, 0, 0)",
        ),
    ),
    (
        "sessions",
        same(
            "LATE_SESSION",
            "insert into sessions (token_hash, user_id, created_at, seen_at)
             select $1, id, 0, 0 from users where id = $1",
        ),
    ),
    (
        "sign_in_links",
        same(
            "LATE_SIGN_IN",
            "insert into sign_in_links (token_hash, user_id, created_at, expires_at)
             select $1, id, 0, 0 from users where id = $1",
        ),
    ),
    (
        "signal_refusals",
        same(
            "LATE_COUNT",
            "insert into signal_refusals (app, day, code, times)
             values ('messenger', 0, 'topic.unknown', 1)",
        ),
    ),
    ("signal_tags", same("LATE_TAG", "update signal_tags set seen = 0")),
    (
        "subject_requests",
        same(
            "LATE_REQUEST",
            "insert into subject_requests (app, id, kind, law, asked_by, state, received_at, due_at,
                                           closed_at, received_entry)
             values ('messenger', $1, 'access', 'gdpr', 'app', 'completed', 0, 0, 0, 0)",
        ),
    ),
];
const USER: Statement = same(
    "USER",
    "insert into users (id, email, role, created_at) values ($1, 'o@example.org', 'officer', 0)",
);

/// The tables of which something was found to be there too long.
async fn late(world: &World) -> BTreeSet<String> {
    let found = look(world).await.invariants.into_iter().filter(|one| one.id == "I-12");
    let found = found.flat_map(|one| one.findings);
    found.filter_map(|one| one.code.strip_suffix(".run_out").map(str::to_owned)).collect()
}

#[tokio::test]
async fn what_is_kept_too_long_is_found_in_every_table_that_has_a_limit() {
    on_both(|db| async move {
        let (world, _) = healthy(db).await;
        converse(&world, &world.db).await;
        let id = [3_u8; 16];
        tamper(&world, USER, values![id]).await;
        assert_eq!(violated(&world).await, Vec::<String>::new());
        let mut expected = BTreeSet::new();
        for (table, statement) in LATE {
            let needs_id = statement.text(world.db.engine()).contains("$1");
            let values = if needs_id { values![id] } else { values![] };
            assert!(tamper(&world, statement, values).await > 0, "{table}");
            expected.insert(table.to_owned());
            assert_eq!(late(&world).await, expected, "{table}");
        }
        assert_eq!(violated(&world).await, ["I-12"]);
        // Those of lists are seen when a list runs out.
        expected.extend(["list_rows", "scores"].map(str::to_owned));
        let limited = LIMITS.iter().map(|(table, ..)| (*table).to_owned()).collect();
        assert_eq!(expected, limited, "every limit is seen to bite");
    })
    .await;
}

#[tokio::test]
async fn rows_of_a_list_that_ran_out_are_found() {
    on_both(|db| async move {
        let town = with_a_list(db, 0).await;
        town.world.clock.advance(Duration::from_hours(7 * 24 + 1));
        assert_eq!(violated(&town.world).await, ["I-12"]);
        let found = late(&town.world).await;
        assert_eq!(found, ["list_rows", "scores"].map(str::to_owned).into());
    })
    .await;
}

#[tokio::test]
async fn days_that_a_profile_should_have_forgotten_are_found() {
    on_both(|db| async move {
        let (world, _) = healthy(db).await;
        world.clock.advance(Duration::from_hours(40 * 24));
        assert_eq!(violated(&world).await, ["I-12"]);
        assert_eq!(codes(&world).await, ["profile.old_days".to_owned()].into());
        let now = world.clock.now();
        signals::forget_days(&world.db, &world.keys, now, &mut world.rng(4)).await.expect("done");
        assert_eq!(violated(&world).await, Vec::<String>::new());
    })
    .await;
}
