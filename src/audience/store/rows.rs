//! What a list holds about people: scores, rows, loans.

use volens_privacy::ledger::Hash;
use volens_privacy::{AppId, BusinessId, RecipientId, SubjectId};

use crate::audience::seal::{BorrowedEntries, Entries, Reason, SealedRow};
use crate::audience::{AudienceError, Membership, Result};
use crate::db::{self, Row, Tx, Value, statements, values};
use crate::ids::{GrantId, ListId, hex};
use crate::relevance::Assigned;

statements! {
    // The grants a batch rests on and their accounts, held until the batch is committed: a withdrawal
    // or restriction that comes meanwhile waits, and its trigger then sees the rows. SQLite has one
    // writer anyway.
    HOLD = "select subject, id, purpose, entry from grants
             where state = 'given' and subject in ({list})"
        | postgres "select g.subject, g.id, g.purpose, g.entry from grants g
                     join accounts a on a.subject = g.subject
                     where g.state = 'given' and g.subject in ({list})
                     order by g.subject, g.id for share";
    ADD_SCORES = "insert into scores (subject, list, business, arm, score, model, relevance_grant,
                                      relevance_entry)
                  values {rows}";
    ADD_ROWS = "insert into list_rows (subject, list, business, recipient, rank, score, uplift, risk,
                                       propensity, variant, variant_propensity, reasons, salt, messages_grant, messages_entry,
                                       relevance_grant, relevance_entry)
                values {rows}";
    ADD_LOANS = "insert into list_loans (subject, list, business, peer, lender, own_grant, own_entry,
                                         lender_grant, lender_entry, relevance_grant,
                                         relevance_entry)
                 values {rows}";
    PAGE = "select subject, recipient, rank, score, uplift, risk, propensity, variant,
                   variant_propensity, reasons, salt, messages_entry, relevance_entry
              from list_rows where business = $1 and list = $2 and rank > $3 order by rank limit $4";
    LOANS = "select subject, peer, lender, own_entry, lender_entry, relevance_entry
               from list_loans where list = $1 and subject in ({list}) order by subject, peer";
    OF_SUBJECT = "select list, business, rank, score, variant, variant_propensity from list_rows
                   where subject = $1 order by list";
    CUT = "select min(score) as lowest,
                  (select score from list_rows where business = $1 and list = $2
                    order by rank desc limit 1) as last
             from list_rows where business = $1 and list = $2";
    COUNT = "select count(*) as present from list_rows where business = $1 and list = $2";
    REMOVE = "delete from scores where business = $1 and list = $2";
    REMOVE_SOME = "delete from scores where business = $1 and list = $2 and subject in
                   (select subject from scores where business = $1 and list = $2 limit $3)";
    REMOVE_LOANS = "delete from list_loans where business = $1 and list = $2";
    RECIPIENTS = "select subject, recipient from list_rows
                   where business = $1 and list = $2 and recipient in ({list})";
}

/// A live grant.
#[derive(Clone)]
pub(in crate::audience) struct Grant {
    pub(in crate::audience) subject: SubjectId,
    pub(in crate::audience) id: GrantId,
    pub(in crate::audience) purpose: String,
    pub(in crate::audience) entry: u64,
}

/// Which arm of the experiment somebody scored is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::audience) enum Arm {
    Listed,
    Holdout,
}

impl Arm {
    pub(in crate::audience) const fn name(self) -> &'static str {
        match self {
            Self::Listed => "listed",
            Self::Holdout => "holdout",
        }
    }
}

/// A grant and the ledger entry it rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::audience) struct Footing {
    pub(in crate::audience) grant: GrantId,
    pub(in crate::audience) entry: u64,
}

/// A score to be kept.
pub(in crate::audience) struct NewScore {
    pub(in crate::audience) subject: SubjectId,
    pub(in crate::audience) arm: Arm,
    pub(in crate::audience) score: f64,
    pub(in crate::audience) relevance: Footing,
}

/// A row to be kept.
pub(in crate::audience) struct NewRow {
    pub(in crate::audience) subject: SubjectId,
    pub(in crate::audience) recipient: RecipientId,
    pub(in crate::audience) rank: u32,
    pub(in crate::audience) score: f64,
    pub(in crate::audience) uplift: Option<f64>,
    pub(in crate::audience) risk: Option<f64>,
    pub(in crate::audience) propensity: Option<f64>,
    pub(in crate::audience) variant: Option<Assigned>,
    pub(in crate::audience) reasons: Vec<Reason>,
    pub(in crate::audience) salt: [u8; 16],
    pub(in crate::audience) messages: Footing,
    pub(in crate::audience) relevance: Footing,
}

/// A loan to be kept.
pub(in crate::audience) struct NewLoan {
    pub(in crate::audience) subject: SubjectId,
    pub(in crate::audience) peer: AppId,
    pub(in crate::audience) lender: SubjectId,
    pub(in crate::audience) own: Footing,
    pub(in crate::audience) lent: Footing,
    pub(in crate::audience) relevance: Footing,
}

/// A row as it is kept.
pub(in crate::audience) struct StoredRow {
    pub(in crate::audience) subject: SubjectId,
    pub(in crate::audience) recipient: RecipientId,
    pub(in crate::audience) rank: u32,
    pub(in crate::audience) score: f64,
    pub(in crate::audience) uplift: Option<f64>,
    pub(in crate::audience) risk: Option<f64>,
    pub(in crate::audience) propensity: Option<f64>,
    pub(in crate::audience) variant: Option<Assigned>,
    pub(in crate::audience) reasons: Vec<Reason>,
    pub(in crate::audience) salt: [u8; 16],
    pub(in crate::audience) messages_entry: u64,
    pub(in crate::audience) relevance_entry: u64,
    pub(in crate::audience) loans: Vec<StoredLoan>,
}

impl StoredRow {
    /// Every ledger entry the row names.
    pub(in crate::audience) fn entries(&self) -> Vec<u64> {
        let own = [self.messages_entry, self.relevance_entry];
        let lent = self
            .loans
            .iter()
            .flat_map(|loan| [loan.own_entry, loan.lender_entry, loan.relevance_entry]);
        own.into_iter().chain(lent).collect()
    }

    /// The leaf that this row, as it is stored now, gives.
    pub(in crate::audience) fn sealed_leaf(&self, list: ListId) -> Hash {
        let borrowed = self.loans.iter().map(|loan| BorrowedEntries {
            app: loan.peer.to_string(),
            own: loan.own_entry,
            lender: loan.lender_entry,
            relevance: loan.relevance_entry,
        });
        let entries = Entries {
            messages: self.messages_entry,
            relevance: self.relevance_entry,
            borrowed: borrowed.collect(),
        };
        let sealed = SealedRow {
            list,
            recipient: self.recipient,
            rank: self.rank,
            score: self.score,
            uplift: self.uplift,
            risk: self.risk,
            propensity: self.propensity,
            variant: self.variant,
            reasons: &self.reasons,
            entries: &entries,
            salt: &hex(&self.salt),
        };
        sealed.leaf()
    }
}

/// A loan as it is kept.
pub(in crate::audience) struct StoredLoan {
    pub(in crate::audience) peer: AppId,
    pub(in crate::audience) lender: SubjectId,
    pub(in crate::audience) own_entry: u64,
    pub(in crate::audience) lender_entry: u64,
    pub(in crate::audience) relevance_entry: u64,
}

pub(super) fn listed(subjects: &[SubjectId]) -> Vec<Value> {
    subjects.iter().map(|subject| Value::from(*subject)).collect()
}

/// Every live grant of these accounts, held against change until the transaction ends.
pub(in crate::audience) async fn hold(
    tx: &mut Tx,
    subjects: &[SubjectId],
) -> db::Result<Vec<Grant>> {
    let rows = tx.fetch_list(HOLD, vec![], listed(subjects)).await?;
    rows.iter()
        .map(|row| {
            Ok(Grant {
                subject: row.get("subject")?,
                id: row.get("id")?,
                purpose: row.get("purpose")?,
                entry: row.get("entry")?,
            })
        })
        .collect()
}

pub(in crate::audience) async fn add_scores(
    tx: &mut Tx,
    (business, list): (BusinessId, ListId),
    model: &str,
    scores: &[NewScore],
) -> db::Result<()> {
    let row = |score: &NewScore| {
        Ok(vec![
            score.subject.into(),
            list.into(),
            business.into(),
            score.arm.name().into(),
            score.score.into(),
            model.into(),
            score.relevance.grant.into(),
            Value::count(score.relevance.entry)?,
        ])
    };
    let rows = scores.iter().map(row).collect::<db::Result<_>>()?;
    tx.execute_rows(ADD_SCORES, rows).await?;
    Ok(())
}

pub(in crate::audience) async fn add_rows(
    tx: &mut Tx,
    (business, list): (BusinessId, ListId),
    rows: &[NewRow],
) -> db::Result<()> {
    let row = |row: &NewRow| {
        let [variant, variant_propensity] = Assigned::columns(row.variant);
        Ok(vec![
            row.subject.into(),
            list.into(),
            business.into(),
            row.recipient.as_bytes().into(),
            row.rank.into(),
            row.score.into(),
            row.uplift.into(),
            row.risk.into(),
            row.propensity.into(),
            variant,
            variant_propensity,
            super::json(&row.reasons).into(),
            row.salt.into(),
            row.messages.grant.into(),
            Value::count(row.messages.entry)?,
            row.relevance.grant.into(),
            Value::count(row.relevance.entry)?,
        ])
    };
    let rows = rows.iter().map(row).collect::<db::Result<_>>()?;
    tx.execute_rows(ADD_ROWS, rows).await?;
    Ok(())
}

pub(in crate::audience) async fn add_loans(
    tx: &mut Tx,
    (business, list): (BusinessId, ListId),
    loans: &[NewLoan],
) -> db::Result<()> {
    let row = |loan: &NewLoan| {
        Ok(vec![
            loan.subject.into(),
            list.into(),
            business.into(),
            (&loan.peer).into(),
            loan.lender.into(),
            loan.own.grant.into(),
            Value::count(loan.own.entry)?,
            loan.lent.grant.into(),
            Value::count(loan.lent.entry)?,
            loan.relevance.grant.into(),
            Value::count(loan.relevance.entry)?,
        ])
    };
    let rows = loans.iter().map(row).collect::<db::Result<_>>()?;
    tx.execute_rows(ADD_LOANS, rows).await?;
    Ok(())
}

/// Rows after `rank`, at most `limit`, each with what it borrowed.
pub(in crate::audience) async fn page(
    tx: &mut Tx,
    (business, list): (BusinessId, ListId),
    after: u32,
    limit: u32,
) -> Result<Vec<StoredRow>> {
    let found = tx.fetch(PAGE, values![business, list, after, limit]).await?;
    let mut rows = found.iter().map(read_row).collect::<Result<Vec<_>>>()?;
    let subjects: Vec<SubjectId> = rows.iter().map(|row| row.subject).collect();
    for loan in tx.fetch_list(LOANS, values![list], listed(&subjects)).await? {
        let of: SubjectId = loan.get("subject")?;
        if let Some(row) = rows.iter_mut().find(|row| row.subject == of) {
            row.loans.push(read_loan(&loan)?);
        }
    }
    // Databases sort text differently; the seal needs one order.
    for row in &mut rows {
        row.loans.sort_by(|a, b| (&a.peer, a.own_entry).cmp(&(&b.peer, b.own_entry)));
    }
    Ok(rows)
}

fn read_row(row: &Row) -> Result<StoredRow> {
    let reasons: String = row.get("reasons")?;
    Ok(StoredRow {
        subject: row.get("subject")?,
        recipient: RecipientId::from_bytes(row.get("recipient")?),
        rank: row.get("rank")?,
        score: row.get("score")?,
        uplift: row.get("uplift")?,
        risk: row.get("risk")?,
        propensity: row.get("propensity")?,
        variant: Assigned::read(row)?,
        reasons: serde_json::from_str(&reasons)
            .map_err(|_| AudienceError::Unreadable("list_rows.reasons"))?,
        salt: row.get("salt")?,
        messages_entry: row.get("messages_entry")?,
        relevance_entry: row.get("relevance_entry")?,
        loans: Vec::new(),
    })
}

fn read_loan(row: &Row) -> db::Result<StoredLoan> {
    Ok(StoredLoan {
        peer: row.get("peer")?,
        lender: row.get("lender")?,
        own_entry: row.get("own_entry")?,
        lender_entry: row.get("lender_entry")?,
        relevance_entry: row.get("relevance_entry")?,
    })
}

/// The rows about one account.
pub(in crate::audience) async fn rows_about(
    tx: &mut Tx,
    subject: SubjectId,
) -> db::Result<Vec<Membership>> {
    let rows = tx.fetch(OF_SUBJECT, values![subject]).await?;
    rows.iter()
        .map(|row| {
            Ok(Membership {
                list: row.get("list")?,
                business: row.get("business")?,
                rank: row.get("rank")?,
                score: row.get("score")?,
                variant: Assigned::read(row)?,
            })
        })
        .collect()
}

/// Rows that are there now.
pub(in crate::audience) async fn count(
    tx: &mut Tx,
    (business, list): (BusinessId, ListId),
) -> db::Result<u64> {
    tx.fetch_one(COUNT, values![business, list]).await?.get("present")
}

/// The lowest score among the rows that are there, and that of the last of them.
pub(in crate::audience) async fn cut(
    tx: &mut Tx,
    (business, list): (BusinessId, ListId),
) -> db::Result<Option<(f64, f64)>> {
    let row = tx.fetch_one(CUT, values![business, list]).await?;
    let (lowest, last): (Option<f64>, Option<f64>) = (row.get("lowest")?, row.get("last")?);
    Ok(lowest.zip(last))
}

/// Removes scores and with them the rows.
pub(in crate::audience) async fn remove(
    tx: &mut Tx,
    (business, list): (BusinessId, ListId),
) -> db::Result<u64> {
    tx.execute(REMOVE, values![business, list]).await
}

/// Removes up to `limit` of them; answers how many there were.
pub(in crate::audience) async fn remove_some(
    tx: &mut Tx,
    (business, list): (BusinessId, ListId),
    limit: u64,
) -> db::Result<u64> {
    tx.execute(REMOVE_SOME, vec![business.into(), list.into(), Value::count(limit)?]).await
}

/// Removes what was borrowed. Only together with the exposures made with it.
pub(in crate::audience) async fn remove_loans(
    tx: &mut Tx,
    (business, list): (BusinessId, ListId),
) -> db::Result<u64> {
    tx.execute(REMOVE_LOANS, values![business, list]).await
}

/// Who the recipients of a list are. Those that are not on it (any more) are missing.
pub(in crate::audience) async fn subjects(
    tx: &mut Tx,
    (business, list): (BusinessId, ListId),
    recipients: &[RecipientId],
) -> db::Result<Vec<(RecipientId, SubjectId)>> {
    let recipients = recipients.iter().map(|id| Value::from(id.as_bytes())).collect();
    let rows = tx.fetch_list(RECIPIENTS, values![business, list], recipients).await?;
    rows.iter()
        .map(|row| Ok((RecipientId::from_bytes(row.get("recipient")?), row.get("subject")?)))
        .collect()
}
