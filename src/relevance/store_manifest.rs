//! SQL of members and of the leaves of manifests.

use std::collections::BTreeSet;

use volens_privacy::manifest::Lesson;
use volens_privacy::{BusinessId, SubjectId};

use super::exposures::Goal;
use super::{Result, store};
use crate::db::{Row, Tx, Value, statements, values};
use crate::ids::ModelId;

statements! {
    ADD_MEMBERS = "insert into model_members (subject, model, relevance_grant, training_grant,
        messages, relevance_entry, training_entry) values {rows}";
    ADD_LEAVES = "insert into model_leaves (model, leaf) values {rows}";
    FORGET_MEMBERS = "delete from model_members where model in (
        select id from models where business = $1 and goal = $2 and version < $3)";
    FORGET_LEAVES = "delete from model_leaves where model in (
        select id from models where business = $1 and goal = $2 and version < $3)";
    LEAVES = "select leaf from model_leaves where model = $1 order by leaf";
    SOME_LEAVES = "select leaf from model_leaves where model = $1 and leaf in ({list})";
    ANY_LEAF = "select leaf from model_leaves where model = $1 limit 1";
    MEMBER = "select subject, messages, relevance_entry, training_entry from model_members
        where model = $1 and subject = $2";
    MEMBERS_AFTER = "select subject, messages, relevance_entry, training_entry from model_members
        where model = $1 and subject > $2 order by subject limit $3";
    TAUGHT = "select model from model_members where subject = $1 order by model";
}

/// A member as stored: the account, and what it taught; nothing of that for a member of before manifests
/// were kept.
pub(super) type Member = (SubjectId, Option<Lesson>);

pub(super) async fn add_members(
    tx: &mut Tx,
    model: ModelId,
    rows: Vec<(SubjectId, [[u8; 16]; 2], Lesson)>,
) -> Result<u64> {
    let mut all = Vec::with_capacity(rows.len());
    for (subject, [relevance, training], lesson) in rows {
        let mut row = values![subject, model, relevance, training];
        for number in [lesson.messages, lesson.relevance_entry, lesson.training_entry] {
            row.push(Value::count(number)?);
        }
        all.push(row);
    }
    Ok(tx.execute_rows(ADD_MEMBERS, all).await?)
}

pub(super) async fn add_leaves(tx: &mut Tx, model: ModelId, leaves: &[[u8; 32]]) -> Result<u64> {
    let rows = leaves.iter().map(|leaf| values![model, *leaf]).collect();
    Ok(tx.execute_rows(ADD_LEAVES, rows).await?)
}

/// Forgets who was behind versions before `oldest`, and their leaves; they cannot be used any more.
pub(super) async fn forget(
    tx: &mut Tx,
    (business, goal): (Option<BusinessId>, Goal),
    oldest: u32,
) -> Result<()> {
    for statement in [FORGET_MEMBERS, FORGET_LEAVES] {
        tx.execute(statement, values![store::owner(business), goal.as_str(), oldest]).await?;
    }
    Ok(())
}

/// All leaves of a model, in order.
pub(super) async fn leaves(tx: &mut Tx, model: ModelId) -> Result<Vec<[u8; 32]>> {
    let rows = tx.fetch(LEAVES, values![model]).await?;
    rows.iter().map(|row| Ok(row.get("leaf")?)).collect()
}

/// Those of some leaves that a model has.
pub(super) async fn some_leaves(
    tx: &mut Tx,
    model: ModelId,
    wanted: impl Iterator<Item = [u8; 32]>,
) -> Result<BTreeSet<[u8; 32]>> {
    let rows =
        tx.fetch_list(SOME_LEAVES, values![model], wanted.map(Value::from).collect()).await?;
    rows.iter().map(|row| Ok(row.get("leaf")?)).collect()
}

/// Whether the leaves of a model are kept.
pub(super) async fn has_leaves(tx: &mut Tx, model: ModelId) -> Result<bool> {
    Ok(tx.fetch_optional(ANY_LEAF, values![model]).await?.is_some())
}

pub(super) async fn member(
    tx: &mut Tx,
    model: ModelId,
    subject: SubjectId,
) -> Result<Option<Member>> {
    let row = tx.fetch_optional(MEMBER, values![model, subject]).await?;
    row.map(|row| read(model, &row)).transpose()
}

pub(super) async fn members_after(
    tx: &mut Tx,
    model: ModelId,
    last: Option<SubjectId>,
    limit: u32,
) -> Result<Vec<Member>> {
    let last = last.map(|subject| subject.as_bytes().to_vec()).unwrap_or_default();
    let rows = tx.fetch(MEMBERS_AFTER, values![model, last, limit]).await?;
    rows.iter().map(|row| read(model, row)).collect()
}

/// The models that an account is a member of.
pub(super) async fn taught(tx: &mut Tx, subject: SubjectId) -> Result<Vec<ModelId>> {
    let rows = tx.fetch(TAUGHT, values![subject]).await?;
    rows.iter().map(|row| Ok(row.get("model")?)).collect()
}

fn read(model: ModelId, row: &Row) -> Result<Member> {
    let number = |column| row.get::<Option<i64>>(column).map(|found| found.map(i64::unsigned_abs));
    let subject = row.get("subject")?;
    let parts = (number("messages")?, number("relevance_entry")?, number("training_entry")?);
    let (Some(messages), Some(relevance_entry), Some(training_entry)) = parts else {
        return Ok((subject, None));
    };
    let model = *model.as_bytes();
    Ok((subject, Some(Lesson { model, subject, messages, relevance_entry, training_entry })))
}
