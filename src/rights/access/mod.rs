//! Access and portability (GDPR Art. 15, 20): one signed document with everything that is kept about
//! an account, and never anything about somebody else.
//!
//! It is also made for an account whose processing is restricted or whose person objects: it is
//! theirs. What is not in it is listed in it, with the reason; a test compares both with the schema.

pub mod document;
mod store;

use std::collections::{BTreeMap, BTreeSet};

pub use document::{AccountExport, EXPORT_KIND, SignedExport, schema};
use serde_json::Value;
pub(crate) use store::STATEMENTS;
use volens_privacy::keys::KeyRing;
use volens_privacy::ledger::{DocumentError, LogVerifier};
use volens_privacy::manifest::Lesson;
use volens_privacy::purpose::Purposes;
use volens_privacy::receipt::{Issuer, Receipt, ReceiptError, ReceiptReport, contradiction};
use volens_privacy::{DataKey, SubjectId, Timestamp};

use self::document::{
    AccountPart, ConsentPart, DayPart, ListPart, MessagePart, ModelPart, ProfilePart, PurposePart,
    RecipientPart, RequestPart, RestrictionPart, RowPart, StopPart,
};
use super::requests::{self, SignedReceipt};
use super::restriction::restriction_of;
use super::{RightsError, interests};
use crate::accounts::{self, AccountError};
use crate::audience::{Text, outcomes};
use crate::consent::{self, Grant};
use crate::db::{self, Row, Tx};
use crate::ids::ListId;
use crate::relevance::Assigned;
use crate::signals::{About, Profile, Trait, awaited};
use crate::{identity, relevance, signals};

/// Where each table that names an account is in the export, by the field it is read into, or why it
/// is not.
pub(super) const KEPT: &[(&str, Kept)] = &[
    ("account_keys", Kept::Left("the key that opens the rest: it would weaken the account's seal")),
    (
        "account_references",
        Kept::Left("a keyed tag of the app's own reference, which the app knows"),
    ),
    ("accounts", Kept::In("account")),
    ("awaited_purchases", Kept::In("messages")),
    ("consent_records", Kept::In("receipts")),
    ("corrections", Kept::In("interests")),
    ("exposures", Kept::In("messages")),
    ("grants", Kept::In("consents")),
    ("link_tokens", Kept::Left("a keyed hash that means nothing by itself; links says with whom")),
    ("list_loans", Kept::In("lent")),
    ("list_rows", Kept::In("lists")),
    ("list_stops", Kept::In("stops")),
    ("model_members", Kept::In("models")),
    (
        "openings",
        Kept::Left("why an officer asked to read the record: another person's words and work"),
    ),
    ("outcomes", Kept::In("messages")),
    ("privacy_links", Kept::Left("the address of the privacy centre, void after minutes")),
    ("profiles", Kept::In("profile")),
    ("removed_accounts", Kept::Left("only of accounts that are gone")),
    ("restrictions", Kept::In("account")),
    ("scores", Kept::In("lists")),
    ("subject_request_accounts", Kept::In("requests")),
];

/// Whether a table is in the export.
#[derive(Clone, Copy)]
pub(super) enum Kept {
    /// Read into this field.
    In(&'static str),
    /// Not in it, for this reason.
    Left(&'static str),
}

const SOURCE: &str = "The app named under account, which told them about its user; what the person \
    did there, under the consents above; and what linked apps lend, named under lists. Nothing is \
    bought or taken from elsewhere.";
const LOGIC: &str = "An additive model estimates from the profile and the message how likely the \
    person is to respond. The contributions of its parts are the reasons under lists, in the same \
    words that the business reads. Topics of GDPR Art. 9 are never kept or used. A score decides only \
    in which order a business may write to people who agreed to its messages; whoever wants none of \
    it withdraws or objects, and it is gone before the answer.";

/// The stops on record, also those that came when the row was gone that would have told whose they are.
async fn stops(tx: &mut Tx, keys: &KeyRing, subject: SubjectId) -> db::Result<Vec<StopPart>> {
    let mut stops = store::stops(tx, subject).await?;
    let late = outcomes::stops_of(tx, keys, subject).await?;
    stops.extend(late.into_iter().map(|(business, kind, at)| StopPart { business, kind, at }));
    Ok(stops)
}

/// Makes and signs the export of an account.
///
/// # Errors
/// [`AccountError::Unknown`] when there is no such account; a record that does not open fails the
/// export: half of it would pass for all.
pub async fn export(
    tx: &mut Tx,
    (keys, issuer): (&KeyRing, &Issuer),
    subject: SubjectId,
    now: Timestamp,
) -> Result<SignedExport, RightsError> {
    let account = accounts::find(tx, &[subject]).await?.remove(&subject);
    let account = account.ok_or(AccountError::Unknown)?;
    let key = accounts::data_keys(tx, keys, &[subject]).await?.remove(&subject);
    let key = key.ok_or(AccountError::Unknown)?;
    let restriction = restriction_of(tx, &account).await?;
    let lists = lists(tx, subject).await?;
    let profile = signals::kept_profile(tx, keys, subject).await?;
    let receipts = consent::receipts_of(tx, keys, subject).await?;
    let links: BTreeSet<_> =
        identity::links_of(tx, subject).await?.into_iter().map(|(app, _)| app).collect();
    let grants = consent::grants_of(tx, &[subject]).await?;
    let export = AccountExport {
        kind: EXPORT_KIND.to_owned(),
        made_at: now,
        account: AccountPart {
            app: account.app,
            language: account.details.language,
            country: account.details.country,
            time_zone: account.details.time_zone,
            age_band: account.details.age_band.to_string(),
            known_since: account.created_at,
            restricted_since: account.frozen_at,
            restriction: restriction.map(|standing| RestrictionPart {
                reason: standing.reason.as_str().to_owned(),
                asked_by: standing.asked_by.as_str().to_owned(),
                entry: standing.entry,
            }),
            objected_since: account.objected_at,
        },
        purposes: purposes(),
        consents: grants.iter().map(consent_part).collect(),
        receipts: documents(issuer, &receipts, now)?,
        interests: interests::interests(tx, keys, subject, now).await?,
        profile: profile.as_ref().map(|profile| profile_part(profile, now)),
        links: links.into_iter().collect(),
        recipients: recipients(&lists),
        lists,
        lent: store::lent(tx, subject).await?,
        messages: messages(tx, &key, subject).await?,
        models: models(tx, subject).await?,
        stops: stops(tx, keys, subject).await?,
        requests: requests_of(tx, keys, subject).await?,
        signal_marks: None,
        source: SOURCE.to_owned(),
        logic: LOGIC.to_owned(),
        read_into: tables(|kept| match kept {
            Kept::In(field) => Some(field),
            Kept::Left(_) => None,
        }),
        left_out: tables(|kept| match kept {
            Kept::In(_) => None,
            Kept::Left(reason) => Some(reason),
        }),
    };
    let signature = keys.log_signer().sign_document(EXPORT_KIND, &export)?;
    Ok(SignedExport { export, signature })
}

/// The receipts as the API hands them out.
fn documents(
    issuer: &Issuer,
    receipts: &[(u64, Receipt)],
    now: Timestamp,
) -> Result<Vec<Value>, RightsError> {
    let document = |(_, receipt): &(u64, Receipt)| {
        let text = issuer.document(receipt, now);
        serde_json::from_str(text.get()).map_err(|_| db::Error::Damaged("receipt").into())
    };
    receipts.iter().map(document).collect()
}

/// Checks a signed export offline: that it is one, that the log's key signed exactly this, and that
/// every receipt in it holds and none contradicts another. Answers how many receipts.
///
/// # Errors
/// [`RightsError::Export`] says what does not hold.
pub fn verify(json: &[u8], log: &LogVerifier) -> Result<usize, RightsError> {
    let fail = |what: &'static str| RightsError::Export(what);
    let raw: Value = serde_json::from_slice(json).map_err(|_| fail("the file is not JSON"))?;
    let signed: SignedExport =
        serde_json::from_value(raw.clone()).map_err(|_| fail("the file is not an export"))?;
    if signed.export.kind != EXPORT_KIND {
        return Err(fail("the file is not an export of this version"));
    }
    log.verify_document(EXPORT_KIND, &raw["export"], &signed.signature)?;
    // In any form: exports made before receipts were JSON-LD stay good.
    let checked = |receipt: &Value| {
        Receipt::from_json(receipt.to_string().as_bytes()).and_then(|receipt| receipt.verify(log))
    };
    let reports: Result<Vec<ReceiptReport>, ReceiptError> =
        signed.export.receipts.iter().map(checked).collect();
    let reports = reports.map_err(|_| fail("a receipt in it does not verify"))?;
    if contradiction(&reports).is_some() {
        return Err(fail("two receipts in it contradict each other"));
    }
    Ok(reports.len())
}

impl From<DocumentError> for RightsError {
    fn from(error: DocumentError) -> Self {
        Self::Export(match error {
            DocumentError::Note(_) => "it is not signed by this key",
            DocumentError::OtherDocument => "it was changed after it was signed",
            DocumentError::NotCanonical => "it has no canonical form",
        })
    }
}

/// What is to be said of each table, if anything.
fn tables(said: impl Fn(Kept) -> Option<&'static str>) -> BTreeMap<String, String> {
    let said = KEPT.iter().filter_map(|(table, kept)| Some((*table, said(*kept)?)));
    said.map(|(table, said)| (table.to_owned(), said.to_owned())).collect()
}

async fn requests_of(
    tx: &mut Tx,
    keys: &KeyRing,
    subject: SubjectId,
) -> Result<Vec<RequestPart>, RightsError> {
    let made = requests::of_account(tx, subject).await?;
    let mut said = requests::said_of(tx, keys, subject).await?;
    let mut answers = requests::answers_of(tx, keys, subject).await?;
    let part = |request: &requests::Request| {
        let SignedReceipt { receipt, signature } = SignedReceipt::of(request, keys)?;
        let of = (request.app.clone(), request.id);
        let (said, answer) = (said.remove(&of), answers.remove(&of));
        Ok(RequestPart { receipt, signature, said, answer })
    };
    made.iter().map(part).collect()
}

fn purposes() -> Vec<PurposePart> {
    let part = |purpose: &volens_privacy::PurposeDefinition| PurposePart {
        purpose: purpose.kind(),
        title: purpose.title("en").to_owned(),
        covers: purpose.covers("en").to_owned(),
        legal_basis: purpose.legal_basis().to_owned(),
        lasts_days: purpose.lasts_days(),
    };
    Purposes::builtin().all().iter().map(part).collect()
}

fn consent_part(grant: &Grant) -> ConsentPart {
    let notice = match grant.notice.as_str() {
        "" => String::new(),
        id => format!("{id}@{}/{}", grant.notice_version, grant.language),
    };
    ConsentPart {
        purpose: grant.purpose,
        peer: grant.peer.clone(),
        state: grant.state,
        notice,
        given_at: grant.given_at,
        expires_at: grant.expires_at,
        ended_at: grant.ended_at,
        entry: grant.entry,
    }
}

fn profile_part(profile: &Profile, now: Timestamp) -> ProfilePart {
    let value = |value: &Trait| match value {
        Trait::Number(number) => number.to_string(),
        Trait::Category(word) => word.clone(),
    };
    let hour = |hour: i64| Timestamp::from_micros(hour.saturating_mul(3_600_000_000));
    ProfilePart {
        language: profile.language().map(str::to_owned),
        last_active: profile.last_hour().map(hour),
        engagement: profile.engagement(now),
        received: profile.received(now),
        rejected: profile.rejected(now),
        businesses: profile.affinities(now).collect(),
        traits: profile.traits().map(|(name, held)| (name.to_owned(), value(held))).collect(),
        recent: recent(profile),
    }
}

/// The counts by day, newest first.
fn recent(profile: &Profile) -> Vec<DayPart> {
    let day_of = |day: i32| Timestamp::from_micros(i64::from(day) * 86_400_000_000);
    let mut days = Vec::new();
    for ((kind, about), by_day) in profile.recent().counts().iter() {
        let about = match about {
            About::Any => None,
            About::Topic(topic) => Some(topic.clone()),
            About::Business(business) => Some(business.to_string()),
        };
        days.extend(by_day.iter().map(|(day, times)| DayPart {
            day: day_of(*day),
            act: kind.to_string(),
            about: about.clone(),
            times: *times,
        }));
    }
    days.sort_by_key(|part| std::cmp::Reverse(part.day));
    days
}

async fn lists(tx: &mut Tx, subject: SubjectId) -> Result<Vec<ListPart>, RightsError> {
    let borrowed = store::borrowed(tx, subject).await?;
    let mut lists = Vec::new();
    for row in store::scores(tx, subject).await? {
        let list: ListId = row.get("list")?;
        let from = borrowed.iter().filter(|(of, _)| *of == list);
        let name: Option<String> = row.get("name")?;
        lists.push(ListPart {
            list,
            business: row.get("business")?,
            business_name: name.unwrap_or_default(),
            campaign: title(&row)?,
            arm: row.get("arm")?,
            score: row.get("score")?,
            model: row.get("model")?,
            row: row_part(&row)?,
            borrowed_from: from.map(|(_, app)| app.clone()).collect(),
            made_at: row.get("created_at")?,
            expires_at: row.get("expires_at")?,
        });
    }
    Ok(lists)
}

/// The title of the message, or of the variant of it that the person is written.
fn title(row: &Row) -> Result<String, RightsError> {
    let place = Assigned::read(row)?.map_or(0, |assigned| assigned.name.place());
    let Some(further) = place.checked_sub(1) else { return Ok(row.get("title")?) };
    let variants: Option<String> = row.get("variants")?;
    let variants: Vec<Text> = serde_json::from_str(&variants.unwrap_or_default())
        .map_err(|_| db::Error::Damaged("campaigns.variants"))?;
    let variant = variants.into_iter().nth(further);
    Ok(variant.ok_or(db::Error::Damaged("campaigns.variants"))?.title)
}

fn row_part(row: &Row) -> Result<Option<RowPart>, RightsError> {
    let Some(recipient) = store::recipient(row)? else { return Ok(None) };
    let reasons: String = row.get("reasons")?;
    let reasons = serde_json::from_str(&reasons);
    Ok(Some(RowPart {
        recipient,
        rank: row.get("rank")?,
        uplift: row.get("uplift")?,
        risk: row.get("risk")?,
        propensity: row.get("propensity")?,
        variant: Assigned::read(row)?,
        reasons: reasons.map_err(|_| db::Error::Damaged("list_rows.reasons"))?,
        entries: vec![row.get("messages_entry")?, row.get("relevance_entry")?],
    }))
}

fn recipients(lists: &[ListPart]) -> Vec<RecipientPart> {
    let mut recipients: Vec<RecipientPart> = Vec::new();
    for part in lists.iter().filter(|part| part.row.is_some()) {
        match recipients.iter_mut().find(|known| known.business == part.business) {
            Some(known) => known.lists.push(part.list),
            None => recipients.push(RecipientPart {
                business: part.business,
                name: part.business_name.clone(),
                lists: vec![part.list],
            }),
        }
    }
    recipients
}

async fn models(tx: &mut Tx, subject: SubjectId) -> Result<Vec<ModelPart>, RightsError> {
    let taught = relevance::manifest::taught_by(tx, subject).await?;
    let part = |(version, lesson): (relevance::Version, Option<Lesson>)| ModelPart {
        model: version.id,
        business: version.business,
        goal: version.goal.as_str().to_owned(),
        trained_at: version.created_at,
        in_use: version.active,
        entry: version.entry,
        messages: lesson.map(|lesson| lesson.messages),
        entries: lesson
            .map(|lesson| vec![lesson.relevance_entry, lesson.training_entry])
            .unwrap_or_default(),
    };
    Ok(taught.into_iter().map(part).collect())
}

async fn messages(
    tx: &mut Tx,
    key: &DataKey,
    subject: SubjectId,
) -> Result<Vec<MessagePart>, RightsError> {
    let mut met: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (exposure, outcome) in store::outcomes(tx, subject).await? {
        met.entry(exposure).or_default().push(outcome);
    }
    let bought = awaited::noted(tx, &[subject], |_| Some(key)).await?;
    let mut messages = Vec::new();
    for row in store::exposures(tx, subject).await? {
        let id = row.get("id")?;
        let sealed: Vec<u8> = row.get("features")?;
        let features = relevance::opened_features(key, subject, id, &sealed)?;
        let treated: i64 = row.get("treated")?;
        messages.push(MessagePart {
            id,
            business: row.get("business")?,
            campaign: store::campaign(&row)?,
            list: row.get("list")?,
            arm: row.get("arm")?,
            variant: Assigned::read(&row)?,
            treated: treated == 1,
            at: row.get("at")?,
            closes_at: row.get("closes_at")?,
            features: serde_json::to_value(&features)
                .map_err(|_| db::Error::Damaged("exposures.features"))?,
            outcomes: met.remove(&id).unwrap_or_default(),
            bought: bought.get(&(subject, id)).copied(),
        });
    }
    Ok(messages)
}
