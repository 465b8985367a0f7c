//! SQL of the slice.

use std::collections::{BTreeMap, BTreeSet};

use volens_privacy::PurposeKind;
use volens_privacy::consent::AssessmentRef;

use super::Assessment;
use crate::db::{self, Row, Tx, Value, statements, values};
use crate::ids::hex;

statements! {
    ADD = "insert into assessments (purpose, entry, name, sha256, attached_at)
           values ($1, $2, $3, $4, $5)";
    ALL = "select purpose, entry, name, sha256, attached_at from assessments order by entry desc";
    PURPOSES = "select distinct purpose from assessments";
}

pub(super) async fn add(tx: &mut Tx, new: &Assessment, sha256: [u8; 32]) -> db::Result<()> {
    let mut row = values![new.purpose.as_str()];
    row.push(Value::count(new.entry)?);
    row.extend(values![&new.id, sha256, new.attached_at]);
    tx.execute(ADD, row).await.map(drop)
}

pub(super) async fn all(tx: &mut Tx) -> db::Result<Vec<Assessment>> {
    let assessment = |row: &Row| {
        let sha256: [u8; 32] = row.get("sha256")?;
        Ok(Assessment {
            purpose: purpose(row)?,
            id: row.get("name")?,
            sha256: hex(&sha256),
            attached_at: row.get("attached_at")?,
            entry: row.get("entry")?,
        })
    };
    tx.fetch(ALL, values![]).await?.iter().map(assessment).collect()
}

pub(super) async fn in_force(tx: &mut Tx) -> db::Result<BTreeMap<PurposeKind, AssessmentRef>> {
    let mut newest = BTreeMap::new();
    for row in &tx.fetch(ALL, values![]).await? {
        let (entry, name, sha256) = (row.get("entry")?, row.get("name")?, row.get("sha256")?);
        newest.entry(purpose(row)?).or_insert(AssessmentRef { entry, name, sha256 });
    }
    Ok(newest)
}

fn purpose(row: &Row) -> db::Result<PurposeKind> {
    let text: String = row.get("purpose")?;
    text.parse().map_err(|_| db::Error::Decode("purpose".to_owned()))
}

pub(super) async fn purposes(tx: &mut Tx) -> db::Result<BTreeSet<PurposeKind>> {
    tx.fetch(PURPOSES, values![]).await?.iter().map(purpose).collect()
}
