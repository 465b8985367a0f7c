//! The part of a receipt that is the same for every decision about one purpose in one app: who answers,
//! what is done, under which law, with which rights. Written once, in canonical form.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::consent::ConsentRecord;
use crate::identity::AppId;
use crate::jurisdiction::Jurisdiction;
use crate::parties::{Parties, Party};
use crate::purpose::{PurposeDefinition, PurposeKind, Recipient};

/// Profiles of ISO/IEC TS 27560 in the Data Privacy Vocabulary.
const PROFILES: &str = "https://w3id.org/dpv/schema/dpv-27560#";
/// Recipients that have no name when a person decides.
pub(super) const BUSINESSES: &str = "urn:volens:businesses-that-write";
/// Our own terms.
const NAMESPACE: &str = "urn:volens:ns:v1#";

/// Members that name something rather than spell it out.
const REFERENCES: [&str; 17] = [
    "dct:conformsTo",
    "dct:replaces",
    "dpv:hasApplicableLaw",
    "dpv:hasDataController",
    "dpv:hasDataProcessor",
    "dpv:hasDataSource",
    "dpv:hasHumanInvolvement",
    "dpv:hasJurisdiction",
    "dpv:hasLegalBasis",
    "dpv:hasLocation",
    "dpv:hasNecessity",
    "dpv:hasProcessing",
    "dpv:hasPurpose",
    "dpv:hasRecipient",
    "dpv:hasTechnicalMeasure",
    "dpv:isExercisedAt",
    "dpv:isIndicatedBy",
];

/// A value in its canonical form.
pub(super) fn canonical(value: &Value) -> Box<RawValue> {
    let text = serde_jcs::to_string(value).expect("strings, booleans, lists and objects");
    RawValue::from_string(text).expect("canonical JSON is JSON")
}

/// The `@context` of every receipt.
pub(super) fn context() -> Value {
    let mut context = json!({
        "dct": "http://purl.org/dc/terms/",
        "dpv": "https://w3id.org/dpv#",
        "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
        "legal-eu": "https://w3id.org/dpv/legal/eu#",
        "loc": "https://w3id.org/dpv/loc#",
        "pd": "https://w3id.org/dpv/pd#",
        "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
        "schema": "https://schema.org/",
        "volens": NAMESPACE,
        "xsd": "http://www.w3.org/2001/XMLSchema#",
    });
    let mut of_type = |member: &str, kind: &str| context[member] = json!({ "@type": kind });
    for member in REFERENCES {
        of_type(member, "@id");
    }
    of_type("dct:created", "xsd:dateTime");
    of_type("dpv:isIndicatedAtTime", "xsd:dateTime");
    context
}

/// What records and receipts under a law conform to.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) record: String,
    pub(super) receipt: String,
}

impl Profile {
    /// By the law's term, if it is a law of ours.
    pub(super) fn of(law: &str) -> Option<Self> {
        let law = Jurisdiction::all().iter().find(|known| known.term == law)?;
        let of = |kind: &str| match &law.profile {
            Some(profile) => format!("{PROFILES}{kind}-{profile}"),
            None => format!("{PROFILES}{kind}"),
        };
        Some(Self { record: of("record"), receipt: of("receipt") })
    }
}

/// What is the same for all decisions of one app, purpose and peer.
pub(super) struct Terms {
    pub(super) publisher: String,
    pub(super) profile: Profile,
    pub(super) law: Box<RawValue>,
    pub(super) authority: Box<RawValue>,
    pub(super) control: Box<RawValue>,
    pub(super) controllers: Box<RawValue>,
    pub(super) processors: Box<RawValue>,
    pub(super) entities: Box<RawValue>,
    pub(super) jurisdiction: Box<RawValue>,
    pub(super) process: Box<RawValue>,
    pub(super) rights: Box<RawValue>,
    pub(super) link_scope: Option<Box<RawValue>>,
}

/// The app's controller as receipts name it; the app alone where the registry does not know it.
fn entity(parties: &Parties, app: &AppId, joint: bool) -> Value {
    let mut types = vec!["dpv:Organisation", "dpv:DataController"];
    if joint {
        types.push("dpv:JointDataControllers");
    }
    match parties.controller(app) {
        Some(controller) => party(&controller.party, &types, Some(&controller.privacy)),
        None => json!({ "@id": urn(parties, app), "@type": types, "dpv:hasName": app }),
    }
}

fn party(party: &Party, types: &[&str], url: Option<&str>) -> Value {
    let mut entity = json!({
        "@id": party.urn(),
        "@type": types,
        "dpv:hasAddress": party.address,
        "dpv:hasContact": party.contact,
        "dpv:hasName": party.name,
    });
    if let Some(url) = url {
        entity["schema:url"] = json!(url);
    }
    entity
}

/// How an app's controller is called in receipts.
pub(super) fn urn(parties: &Parties, app: &AppId) -> String {
    parties
        .controller(app)
        .map_or_else(|| format!("urn:volens:app:{app}"), |controller| controller.party.urn())
}

impl Terms {
    pub(super) fn new(parties: &Parties, record: &ConsentRecord, final_within: u32) -> Self {
        let controller = parties.controller(&record.app);
        let law = controller.map_or("EU", |controller| controller.law.as_str());
        let law = Jurisdiction::get(law).unwrap_or(&Jurisdiction::all()[0]);
        let country = controller.map_or(&parties.operator, |known| &known.party);
        let country = country.country.as_str();
        let joint = record.peer.is_some();
        let apps: Vec<&AppId> = std::iter::once(&record.app).chain(&record.peer).collect();
        let mut entities: Vec<Value> = apps.iter().map(|app| entity(parties, app, joint)).collect();
        let operator = ["dpv:Organisation", "dpv:DataProcessor"];
        entities.push(party(&parties.operator, &operator, None));
        let exercised = exercised_at(parties, record);
        let authority = parties.authority_of(&record.app);
        Self {
            publisher: urn(parties, &record.app),
            profile: Profile::of(&law.term).expect("it is a law of ours"),
            law: canonical(&json!([law.term])),
            authority: canonical(&json!({
                "@id": format!("urn:volens:dpa:{}", authority.id),
                "@type": "dpv:DataProtectionAuthority",
                "dpv:hasAddress": authority.address,
                "dpv:hasName": authority.name,
            })),
            control: canonical(&json!([
                { "@type": "dpv:WithdrawConsent", "dpv:isExercisedAt": exercised },
                { "@type": "dpv:ReaffirmConsent", "dpv:isExercisedAt": exercised },
            ])),
            controllers: canonical(&apps.iter().map(|app| json!(urn(parties, app))).collect()),
            processors: canonical(&json!([parties.operator.urn()])),
            entities: canonical(&Value::Array(entities)),
            jurisdiction: canonical(&json!(format!("loc:{country}"))),
            process: canonical(&json!([process(parties, record, (law, country), final_within)])),
            rights: canonical(&rights(law, &exercised)),
            link_scope: record.peer.as_ref().map(|peer| {
                canonical(&json!({
                    "activation": "both-grants-live",
                    "apps": [record.app, peer],
                    "peerConsentRequired": true,
                }))
            }),
        }
    }
}

fn exercised_at(parties: &Parties, record: &ConsentRecord) -> String {
    parties.controller(&record.app).map_or_else(
        || format!("urn:volens:app:{}:privacy", record.app),
        |controller| controller.privacy.clone(),
    )
}

fn rights(law: &Jurisdiction, exercised: &str) -> Value {
    let right = |right: &crate::jurisdiction::Right| {
        json!({
            "@type": ["dpv:DataSubjectRight", right.term],
            "dct:title": right.title,
            "dpv:isExercisedAt": exercised,
        })
    };
    law.rights.iter().map(right).collect()
}

/// What a consent covers, as `dpv:Process`.
fn process(
    parties: &Parties,
    record: &ConsentRecord,
    (law, country): (&Jurisdiction, &str),
    final_within: u32,
) -> Value {
    let definition = record.purpose.definition();
    let vocabulary = definition.vocabulary();
    let data = vocabulary.personal_data.iter().map(|data| {
        let mut kind = json!({
            "@type": data.term,
            "dpv:hasNecessity": if data.required { "dpv:Required" } else { "dpv:Optional" },
            "volens:storedAs": data.kept,
        });
        if data.inferred {
            kind["volens:derivation"] = json!("inferred");
        } else {
            kind["dpv:hasDataSource"] = json!("dpv:DataSubjectDataSource");
        }
        kind
    });
    let mut process = json!({
        "@id": process_urn(record),
        "@type": "dpv:Process",
        "dct:title": definition.title("en"),
        "dpv:hasLegalBasis": [law.consent],
        "dpv:hasPersonalData": data.collect::<Vec<Value>>(),
        "dpv:hasProcessing": vocabulary.processing,
        "dpv:hasPurpose": vocabulary.purposes,
        "dpv:hasRecipient": recipients(parties, record, definition),
        "dpv:hasService": vocabulary.service,
        "dpv:hasStorageCondition": [
            { "@type": "dpv:StorageLocation", "dpv:hasLocation": [format!("loc:{country}")] },
            { "@type": "dpv:StorageDuration", "dpv:hasDuration": duration(definition.lasts_days()) },
            { "@type": "dpv:StorageDeletion", "dpv:hasDuration": duration(final_within) },
        ],
        "dpv:hasTechnicalMeasure": [
            "dpv:EncryptionAtRest",
            "dpv:CryptographicKeyManagement",
        ],
    });
    if definition.profiles() {
        process["dpv:hasHumanInvolvement"] = json!(["dpv:HumanInvolvementForIntervention"]);
    }
    if definition.kind() == PurposeKind::CrossAppLinking {
        process["dpv:hasTechnicalMeasure"] = json!([
            "dpv:EncryptionAtRest",
            "dpv:CryptographicKeyManagement",
            "dpv:DeterministicPseudonymisation",
        ]);
    }
    process
}

/// A number of days as `dpv:TemporalDuration`.
pub(super) fn duration(days: u32) -> Value {
    json!({ "@type": "dpv:TemporalDuration", "rdf:value": format!("P{days}D") })
}

/// How the purpose of a record is called in receipts.
pub(super) fn process_urn(record: &ConsentRecord) -> String {
    match &record.peer {
        Some(peer) => format!("urn:volens:purpose:{}/{}+{peer}", record.purpose, record.app),
        None => format!("urn:volens:purpose:{}", record.purpose),
    }
}

fn recipients(
    parties: &Parties,
    record: &ConsentRecord,
    definition: &PurposeDefinition,
) -> Vec<String> {
    let name = |recipient: &Recipient| match recipient {
        Recipient::App => Some(urn(parties, &record.app)),
        Recipient::PeerApp => record.peer.as_ref().map(|peer| urn(parties, peer)),
        Recipient::Operator => Some(parties.operator.urn()),
        Recipient::Business => Some(BUSINESSES.to_owned()),
    };
    definition.recipients().iter().filter_map(name).collect()
}
