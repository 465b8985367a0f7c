//! Requests in SQL.

use volens_privacy::identity::AccountTag;
use volens_privacy::{AppId, SubjectId, Timestamp};

use super::{Extension, Request, RequestId, State};
use crate::db::{self, Row, Statement, Tx, Value, statements, values};
use crate::rights::{AskedBy, RightsError};

statements! {
    FIND = "select app, id, kind, law, asked_by, state, received_at, due_at, extension, extended_at,
                   closed_at, outcome, received_entry, closed_entry, escalated_at
            from subject_requests where app = $1 and id = $2";
    HOLD = "select app, id, kind, law, asked_by, state, received_at, due_at, extension, extended_at,
                   closed_at, outcome, received_entry, closed_entry, escalated_at
            from subject_requests where app = $1 and id = $2"
        | postgres "select app, id, kind, law, asked_by, state, received_at, due_at, extension,
                           extended_at, closed_at, outcome, received_entry, closed_entry, escalated_at
                    from subject_requests where app = $1 and id = $2 for update";
    ALL = "select app, id, kind, law, asked_by, state, received_at, due_at, extension, extended_at,
                  closed_at, outcome, received_entry, closed_entry, escalated_at
           from subject_requests
           order by case when state = 'open' then 0 else 1 end,
                    case when state = 'open' then due_at else -closed_at end, id limit $1";
    OF_ACCOUNT = "select q.app, q.id, q.kind, q.law, q.asked_by, q.state, q.received_at, q.due_at,
                         q.extension, q.extended_at, q.closed_at, q.outcome, q.received_entry,
                         q.closed_entry, q.escalated_at
                  from subject_request_accounts a
                  join subject_requests q on q.app = a.app and q.id = a.request
                  where a.subject = $1 order by q.received_at, q.id";
    ADD = "insert into subject_requests (app, id, kind, law, asked_by, state, received_at, due_at,
                                         received_entry)
           values ($1, $2, $3, $4, $5, 'open', $6, $7, $8)";
    ADD_ACCOUNT = "insert into subject_request_accounts (subject, app, request) values ($1, $2, $3)";
    SUBJECT = "select subject from subject_request_accounts where app = $1 and request = $2";
    SAY = "update subject_request_accounts set said = $4
           where subject = $1 and app = $2 and request = $3 and said is null";
    SAID_OPEN = "select a.subject, a.app, a.request, a.said
                 from subject_request_accounts a
                 join subject_requests q on q.app = a.app and q.id = a.request
                 where q.state = 'open' and a.said is not null
                 order by q.due_at, q.id limit $1";
    SAID_OF = "select subject, app, request, said from subject_request_accounts
               where subject = $1 and said is not null";
    ANSWER = "update subject_request_accounts set answer = $4
              where subject = $1 and app = $2 and request = $3";
    ANSWERS_OF = "select subject, app, request, answer as said from subject_request_accounts
                  where subject = $1 and answer is not null";
    TAG = "select tag from account_references where subject = $1";
    EXTEND = "update subject_requests set due_at = $3, extension = $4, extended_at = $5,
                     reminded_at = null
              where app = $1 and id = $2";
    CLOSE = "update subject_requests set state = $3, closed_at = $4, outcome = $5, closed_entry = $6
             where app = $1 and id = $2";
    REMIND = "update subject_requests set reminded_at = $2
              where state = 'open' and due_at <= $1 and reminded_at is null";
    ESCALATE = "update subject_requests set escalated_at = $1
                where state = 'open' and due_at < $1 and escalated_at is null";
    FORGET_LINKS = "delete from subject_request_accounts where (app, request) in
                    (select app, id from subject_requests where closed_at < $1)";
    FORGET = "delete from subject_requests where closed_at < $1";
    FORGET_OF = "delete from subject_requests where app = $1";
}

fn unreadable(column: &str) -> db::Error {
    db::Error::Decode(column.to_owned())
}

fn request(row: &Row) -> db::Result<Request> {
    let text = |column: &str| row.get::<String>(column);
    let (kind, law, state) = (text("kind")?, text("law")?, text("state")?);
    let (extension, extended_at): (Option<String>, Option<Timestamp>) =
        (row.get("extension")?, row.get("extended_at")?);
    let extension = extension.and_then(|reason| Extension::parse(&reason)).zip(extended_at);
    Ok(Request {
        app: row.get("app")?,
        id: RequestId::from_bytes(row.get("id")?),
        kind: kind.parse().map_err(|_| unreadable("kind"))?,
        law: law.parse().map_err(|_| unreadable("law"))?,
        asked_by: AskedBy::parse(&text("asked_by")?)?,
        state: State::parse(&state).ok_or_else(|| unreadable("state"))?,
        received_at: row.get("received_at")?,
        due_at: row.get("due_at")?,
        extension,
        closed_at: row.get("closed_at")?,
        outcome: row.get("outcome")?,
        received_entry: row.get("received_entry")?,
        closed_entry: row.get("closed_entry")?,
        escalated_at: row.get("escalated_at")?,
    })
}

pub(super) async fn find(tx: &mut Tx, app: &AppId, id: RequestId) -> db::Result<Option<Request>> {
    let row = tx.fetch_optional(FIND, values![app, id.as_bytes()]).await?;
    row.as_ref().map(request).transpose()
}

/// The request as it is now, kept from others until the transaction ends.
pub(super) async fn hold(tx: &mut Tx, known: &Request) -> Result<Request, RightsError> {
    let row = tx.fetch_optional(HOLD, values![&known.app, known.id.as_bytes()]).await?;
    Ok(request(&row.ok_or(RightsError::NoRequest)?)?)
}

pub(super) async fn all(tx: &mut Tx, limit: u32) -> db::Result<Vec<Request>> {
    tx.fetch(ALL, values![limit]).await?.iter().map(request).collect()
}

/// Every request of an account.
pub(in crate::rights) async fn of_account(
    tx: &mut Tx,
    subject: SubjectId,
) -> db::Result<Vec<Request>> {
    tx.fetch(OF_ACCOUNT, values![subject]).await?.iter().map(request).collect()
}

pub(super) async fn add(
    tx: &mut Tx,
    request: &Request,
    subject: Option<SubjectId>,
) -> db::Result<()> {
    let mut values = values![
        &request.app,
        request.id.as_bytes(),
        request.kind.as_str(),
        request.law.as_str(),
        request.asked_by.as_str(),
        request.received_at,
        request.due_at,
    ];
    values.push(Value::count(request.received_entry)?);
    tx.execute(ADD, values).await?;
    if let Some(subject) = subject {
        let values = values![subject, &request.app, request.id.as_bytes()];
        tx.execute(ADD_ACCOUNT, values).await?;
    }
    Ok(())
}

pub(super) async fn subject(
    tx: &mut Tx,
    app: &AppId,
    id: RequestId,
) -> db::Result<Option<SubjectId>> {
    let row = tx.fetch_optional(SUBJECT, values![app, id.as_bytes()]).await?;
    row.map(|row| row.get("subject")).transpose()
}

/// What somebody said with a request, as it is kept.
pub(super) struct Said {
    pub(super) subject: SubjectId,
    pub(super) app: AppId,
    pub(super) request: RequestId,
    pub(super) sealed: Vec<u8>,
}

fn said(row: &Row) -> db::Result<Said> {
    Ok(Said {
        subject: row.get("subject")?,
        app: row.get("app")?,
        request: RequestId::from_bytes(row.get("request")?),
        sealed: row.get("said")?,
    })
}

/// Keeps what was said, unless something was said with this request before.
pub(super) async fn say(
    tx: &mut Tx,
    subject: SubjectId,
    (app, request): (&AppId, RequestId),
    sealed: Vec<u8>,
) -> db::Result<()> {
    keep(tx, SAY, subject, (app, request), sealed).await
}

/// What was said with the requests that wait, those that are due first.
pub(super) async fn said_open(tx: &mut Tx, limit: u32) -> db::Result<Vec<Said>> {
    words(tx, SAID_OPEN, values![limit]).await
}

/// What was said with the requests of an account.
pub(super) async fn said_of(tx: &mut Tx, subject: SubjectId) -> db::Result<Vec<Said>> {
    words(tx, SAID_OF, values![subject]).await
}

/// Keeps what was answered.
pub(super) async fn answer(
    tx: &mut Tx,
    subject: SubjectId,
    (app, request): (&AppId, RequestId),
    sealed: Vec<u8>,
) -> db::Result<()> {
    keep(tx, ANSWER, subject, (app, request), sealed).await
}

async fn keep(
    tx: &mut Tx,
    statement: Statement,
    subject: SubjectId,
    (app, request): (&AppId, RequestId),
    sealed: Vec<u8>,
) -> db::Result<()> {
    let values = values![subject, app, request.as_bytes(), sealed];
    tx.execute(statement, values).await.map(drop)
}

/// What was answered to the requests of an account.
pub(super) async fn answers_of(tx: &mut Tx, subject: SubjectId) -> db::Result<Vec<Said>> {
    words(tx, ANSWERS_OF, values![subject]).await
}

async fn words(tx: &mut Tx, statement: Statement, values: Vec<Value>) -> db::Result<Vec<Said>> {
    tx.fetch(statement, values).await?.iter().map(said).collect()
}

/// What the account is found by.
pub(super) async fn tag(tx: &mut Tx, subject: SubjectId) -> db::Result<Option<AccountTag>> {
    let row = tx.fetch_optional(TAG, values![subject]).await?;
    row.map(|row| Ok(AccountTag::from_bytes(row.get("tag")?))).transpose()
}

pub(super) async fn extend(tx: &mut Tx, request: &Request) -> db::Result<()> {
    let (reason, at) = request.extension.unzip();
    let reason = reason.map(Extension::as_str);
    let values = values![&request.app, request.id.as_bytes(), request.due_at, reason, at];
    tx.execute(EXTEND, values).await.map(drop)
}

pub(super) async fn close(tx: &mut Tx, request: &Request) -> db::Result<()> {
    let mut values = values![
        &request.app,
        request.id.as_bytes(),
        request.state.as_str(),
        request.closed_at,
        request.outcome.clone(),
    ];
    values.push(request.closed_entry.map_or(Ok(Value::Int(None)), Value::count)?);
    tx.execute(CLOSE, values).await.map(drop)
}

pub(super) async fn remind(tx: &mut Tx, before: Timestamp, now: Timestamp) -> db::Result<u64> {
    tx.execute(REMIND, values![before, now]).await
}

pub(super) async fn escalate(tx: &mut Tx, now: Timestamp) -> db::Result<u64> {
    tx.execute(ESCALATE, values![now]).await
}

pub(super) async fn forget(tx: &mut Tx, before: Timestamp) -> db::Result<u64> {
    tx.execute(FORGET_LINKS, values![before]).await?;
    tx.execute(FORGET, values![before]).await
}

/// Forgets every request of an app that is nobody's.
pub(in crate::rights) async fn forget_of(tx: &mut Tx, app: &AppId) -> db::Result<u64> {
    tx.execute(FORGET_OF, values![app]).await
}
