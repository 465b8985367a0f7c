//! The register of processing activities (GDPR Art. 30), made from the purpose registry and from what
//! this installation holds.

use serde::Serialize;
use volens_privacy::{PurposeKind, Purposes, Timestamp};

use super::store;
use crate::access::directory;
use crate::assessments::{self, Assessment};
use crate::audit::AuditError;
use crate::config;
use crate::db::Tx;

/// General description of the measures of security (Art. 30(1)(g), 32(1)).
const SECURITY: &[&str] = &[
    "records, profiles and conversations are sealed under keys of each account, outside the database",
    "accounts are found by keyed tags, phone numbers are kept only as keyed tokens of consented links",
    "every decision and every reading is an entry of a tamper-evident ledger",
    "records of people are opened by two officers",
    "erasure destroys keys and rewrites files; invariants are checked every night",
];

/// One purpose as a processing activity.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Activity {
    /// The purpose (Art. 30(1)(b)).
    #[schema(value_type = String)]
    pub purpose: PurposeKind,
    /// In words.
    pub title: String,
    /// What is done.
    pub covers: String,
    /// What it rests on.
    pub legal_basis: String,
    /// Whose data (Art. 30(1)(c)).
    pub people: &'static str,
    /// Which categories of data (Art. 30(1)(c)).
    pub data: Vec<String>,
    /// Who receives any (Art. 30(1)(d)).
    pub recipients: Vec<String>,
    /// After so many days a consent ends, and what rests on it is deleted (Art. 30(1)(f)).
    pub lasts_days: u32,
    /// Live consents now.
    pub live_consents: u64,
    /// The impact assessment, where one is needed and attached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assessment: Option<Assessment>,
    /// Whether an impact assessment is needed and missing: nobody can consent then.
    pub assessment_missing: bool,
}

/// The register.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Register {
    /// As of when.
    #[schema(value_type = String, format = "date-time")]
    pub at: Timestamp,
    /// Who is responsible (Art. 30(1)(a)); empty while the settings do not say.
    pub controller: String,
    /// How to reach them.
    pub contact: String,
    /// How to reach the data protection officer.
    pub officer: String,
    /// What the settings do not say yet.
    pub missing: Vec<&'static str>,
    /// Apps whose users these are.
    pub apps: Vec<String>,
    /// Accounts of people.
    pub accounts: u64,
    /// Businesses that receive lists.
    pub businesses: u64,
    /// Transfers to third countries (Art. 30(1)(e)).
    pub transfers: &'static str,
    /// The activities.
    pub activities: Vec<Activity>,
    /// Measures of security.
    pub security: &'static [&'static str],
}

/// Makes the register as of `now`.
pub async fn register(
    tx: &mut Tx,
    settings: &config::Audit,
    now: Timestamp,
) -> Result<Register, AuditError> {
    let live = store::live_consents(tx).await?;
    let attached = assessments::all(tx).await?;
    let apps = directory::every_app(tx).await?;
    let apps: Vec<String> = apps.into_iter().map(|app| app.title).collect();
    let activities = Purposes::builtin().all().iter().map(|known| {
        let purpose = known.kind();
        let assessment = attached.iter().find(|one| one.purpose == purpose).cloned();
        let needed = assessments::NEEDED.contains(&purpose);
        Activity {
            purpose,
            title: known.title("en").to_owned(),
            covers: known.covers("en").to_owned(),
            legal_basis: known.legal_basis().to_owned(),
            people: "users of the apps who consented",
            data: known.data().to_vec(),
            recipients: recipients(purpose, &apps),
            lasts_days: known.lasts_days(),
            live_consents: live.get(purpose.as_str()).copied().unwrap_or_default(),
            assessment_missing: needed && assessment.is_none(),
            assessment,
        }
    });
    let said = [
        ("audit.controller", &settings.controller),
        ("audit.contact", &settings.contact),
        ("audit.officer_contact", &settings.officer_contact),
    ];
    Ok(Register {
        at: now,
        controller: settings.controller.clone(),
        contact: settings.contact.clone(),
        officer: settings.officer_contact.clone(),
        missing: said.iter().filter(|(_, text)| text.is_empty()).map(|(key, _)| *key).collect(),
        activities: activities.collect(),
        accounts: store::count_accounts(tx).await?,
        businesses: store::count_businesses(tx).await?,
        apps,
        transfers: "none by this program; where it runs and who opens lists is the operator's to say",
        security: SECURITY,
    })
}

/// Who receives data of a purpose: what the program gives to whom, not who might.
fn recipients(purpose: PurposeKind, apps: &[String]) -> Vec<String> {
    match purpose {
        PurposeKind::CrossAppLinking => apps.to_vec(),
        PurposeKind::BusinessMessages | PurposeKind::Relevance => {
            vec!["businesses, with an id per business, a score and its reasons".to_owned()]
        }
        PurposeKind::BotMemory | PurposeKind::FollowUp => {
            vec!["the business whose bot it is".to_owned()]
        }
        PurposeKind::ModelTraining => Vec::new(),
        PurposeKind::Reports => vec!["businesses, as counts of many people".to_owned()],
    }
}
