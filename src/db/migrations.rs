//! The schema, embedded. Files are only ever added, to both folders together.

use std::borrow::Cow;

use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// `(version, name, SQLite text, PostgreSQL text)`.
type Texts = (i64, &'static str, &'static str, &'static str);

macro_rules! migrations {
    ($($version:literal $name:literal),* $(,)?) => {
        &[$((
            $version,
            $name,
            include_str!(concat!("../../migrations/sqlite/", $name, ".sql")),
            include_str!(concat!("../../migrations/postgres/", $name, ".sql")),
        )),*]
    };
}

const MIGRATIONS: &[Texts] = migrations![
    1 "0001_access",
    2 "0002_ledger",
    3 "0003_accounts",
    4 "0004_consent",
    5 "0005_identity",
    6 "0006_signals",
    7 "0007_relevance",
    8 "0008_audience",
    9 "0009_assistant",
    10 "0010_jobs",
    11 "0011_privacy_links",
    12 "0012_imports",
    13 "0013_rights",
    14 "0014_audit",
    15 "0015_purge",
    16 "0016_key_rotation",
    17 "0017_objections",
    18 "0018_restrictions",
    19 "0019_corrections",
    20 "0020_recalls",
    21 "0021_subject_requests",
    22 "0022_witnesses",
    23 "0023_readings",
    24 "0024_records",
    25 "0025_model_members",
    26 "0026_canaries",
    27 "0027_parties",
    28 "0028_list_runs",
    29 "0029_lent_over_a_link",
    30 "0030_list_nodes",
    31 "0031_model_proxies",
    32 "0032_said_with_requests",
    33 "0033_answers_to_requests",
    34 "0034_ledger_shards",
    35 "0035_reach_answers",
    36 "0036_ranking",
    37 "0037_recognised_topics",
    38 "0038_forecast",
    39 "0039_training_manifests",
    40 "0040_awaited_purchases",
    41 "0041_variants",
    44 "0044_canary_files",
    46 "0046_gone_before",
    48 "0048_signal_tags_of_nobody",
];

/// The newest migration this program knows.
pub const SCHEMA_VERSION: i64 = MIGRATIONS[MIGRATIONS.len() - 1].0;

/// Every migration: version, name, SQLite text, PostgreSQL text.
pub fn migration_texts() -> &'static [(i64, &'static str, &'static str, &'static str)] {
    MIGRATIONS
}

pub(super) fn sqlite() -> Migrator {
    migrator(|texts| texts.2)
}

pub(super) fn postgres() -> Migrator {
    migrator(|texts| texts.3)
}

fn migrator(text: fn(&Texts) -> &'static str) -> Migrator {
    let migrations = MIGRATIONS
        .iter()
        .map(|texts| {
            Migration::new(
                texts.0,
                Cow::Borrowed(texts.1),
                MigrationType::Simple,
                SqlStr::from_static(text(texts)),
                false,
            )
        })
        .collect();
    Migrator::with_migrations(migrations)
}
