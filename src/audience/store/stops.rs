//! Who said stop to a business: accounts, and recipients of whom nobody can say yet which account they are.

use std::collections::BTreeSet;

use volens_privacy::{BusinessId, KeyRing, RecipientId, SubjectId, Timestamp};

use super::rows::listed;
use crate::db::{self, Row, Tx, Value, statements, values};
use crate::ids::ListId;

statements! {
    STOPS = "select subject from list_stops where business = $1";
    STOPPED = "select subject from list_stops where business = $1 and subject in ({list})";
    ADD = "insert into list_stops (subject, business, kind, stopped_at)
           values {rows} on conflict (subject, business) do nothing";
    // On every open list of the business but one.
    END_ROWS = "delete from list_rows
                where business = $1
                  and list in (select id from lists
                               where business = $1 and rows_removed_at is null and id <> $2)
                  and recipient in ({list})";
    RECIPIENTS = "select recipient from recipient_stops where business = $1";
    RECIPIENTS_STOPPED = "select recipient from recipient_stops
                          where business = $1 and recipient in ({list})";
    BUSINESSES = "select distinct business from recipient_stops";
    OF_RECIPIENTS = "select business, kind, stopped_at from recipient_stops
                      where recipient in ({list}) order by business";
    FORGET = "delete from recipient_stops where recipient in ({list})";
    ADD_RECIPIENTS = "insert into recipient_stops (recipient, business, kind, stopped_at)
                      values {rows} on conflict (business, recipient) do nothing";
}

/// A stop or a complaint to be kept.
pub(in crate::audience) struct NewStop {
    /// The account; nothing where the row that would say so is gone.
    pub(in crate::audience) subject: Option<SubjectId>,
    pub(in crate::audience) recipient: RecipientId,
    pub(in crate::audience) kind: &'static str,
    pub(in crate::audience) at: Timestamp,
}

/// Keeps stops. The first of each person holds.
pub(in crate::audience) async fn add_stops(
    tx: &mut Tx,
    business: BusinessId,
    stops: &[NewStop],
) -> db::Result<()> {
    let (mut accounts, mut recipients) = (Vec::new(), Vec::new());
    for NewStop { subject, recipient, kind, at } in stops {
        match subject {
            Some(subject) => accounts.push(values![*subject, business, *kind, *at]),
            None => recipients.push(values![recipient.as_bytes(), business, *kind, *at]),
        }
    }
    tx.execute_rows(ADD, accounts).await?;
    tx.execute_rows(ADD_RECIPIENTS, recipients).await?;
    Ok(())
}

/// Ends the rows of these recipients on every list of the business but `except`.
pub(in crate::audience) async fn end_rows(
    tx: &mut Tx,
    business: BusinessId,
    except: Option<ListId>,
    recipients: &[RecipientId],
) -> db::Result<u64> {
    let except = except.map(|list| list.as_bytes().to_vec()).unwrap_or_default();
    let recipients = recipients.iter().map(|one| Value::from(one.as_bytes())).collect();
    tx.execute_list(END_ROWS, values![business, except], recipients).await
}

/// Every account that said stop to the business.
pub(in crate::audience) async fn stops(
    tx: &mut Tx,
    business: BusinessId,
) -> db::Result<Vec<SubjectId>> {
    let rows = tx.fetch(STOPS, values![business]).await?;
    rows.iter().map(|row| row.get("subject")).collect()
}

/// Those of these accounts that said stop to the business.
pub(in crate::audience) async fn stopped(
    tx: &mut Tx,
    business: BusinessId,
    subjects: &[SubjectId],
) -> db::Result<BTreeSet<SubjectId>> {
    let rows = tx.fetch_list(STOPPED, values![business], listed(subjects)).await?;
    rows.iter().map(|row| row.get("subject")).collect()
}

/// Every recipient that said stop when its row was gone.
pub(in crate::audience) async fn stopped_recipients(
    tx: &mut Tx,
    business: BusinessId,
) -> db::Result<BTreeSet<RecipientId>> {
    let rows = tx.fetch(RECIPIENTS, values![business]).await?;
    rows.iter().map(|row| Ok(RecipientId::from_bytes(row.get("recipient")?))).collect()
}

/// Those of these recipients that said stop to the business when their row was gone.
pub(in crate::audience) async fn stopped_of(
    tx: &mut Tx,
    business: BusinessId,
    recipients: &[RecipientId],
) -> db::Result<BTreeSet<RecipientId>> {
    let recipients = recipients.iter().map(|one| Value::from(one.as_bytes())).collect();
    let rows = tx.fetch_list(RECIPIENTS_STOPPED, values![business], recipients).await?;
    rows.iter().map(|row| Ok(RecipientId::from_bytes(row.get("recipient")?))).collect()
}

/// Who an account is to each business that keeps stops of recipients.
async fn recipients_of(tx: &mut Tx, keys: &KeyRing, subject: SubjectId) -> db::Result<Vec<Value>> {
    let rows = tx.fetch(BUSINESSES, values![]).await?;
    let recipient = |business| Value::from(keys.recipient(business, subject).as_bytes());
    rows.iter().map(|row| row.get("business").map(recipient)).collect()
}

/// The stops that an account said when its row was gone: to which business, of which kind, when.
pub(in crate::audience) async fn stops_of(
    tx: &mut Tx,
    keys: &KeyRing,
    subject: SubjectId,
) -> db::Result<Vec<(BusinessId, String, Timestamp)>> {
    let recipients = recipients_of(tx, keys, subject).await?;
    let rows = tx.fetch_list(OF_RECIPIENTS, values![], recipients).await?;
    let stop = |row: &Row| Ok((row.get("business")?, row.get("kind")?, row.get("stopped_at")?));
    rows.iter().map(stop).collect()
}

/// Forgets them, when the account goes: nobody is that recipient any more.
pub(in crate::audience) async fn forget_stops(
    tx: &mut Tx,
    keys: &KeyRing,
    subject: SubjectId,
) -> db::Result<u64> {
    let recipients = recipients_of(tx, keys, subject).await?;
    tx.execute_list(FORGET, values![], recipients).await
}
