//! The same record under the field names of ISO/IEC TS 27560 (as the mapping tables of the Data Privacy
//! Vocabulary cite them), for programs that know those.

use serde_json::{Value, json};

use super::document::Issuer;
use super::facts::uuid;
use super::{Receipt, terms};
use crate::consent::{ConsentRecord, Decision};
use crate::encoding::hex;
use crate::parties::Party;
use crate::purpose::{Controllers, Recipient};

impl Issuer {
    /// A record in the words of the standard. Unsigned: what is signed is [`Issuer::document`].
    pub fn iso_record(&self, receipt: &Receipt) -> Value {
        let record = receipt.record();
        let notice = record.notice.as_ref();
        json!({
            "schema_version": "ISO/IEC TS 27560:2023; profile=volens-1",
            "record_id": uuid(&record.id),
            "pii_principal_id": format!("{}:{}", record.app, record.subject),
            "pii_processing": {
                "privacy_notice": notice.map(|notice| json!({
                    "uri": format!("/n/{}/{}/{}", notice.id, notice.version, notice.language),
                    "version": notice.version.to_string(),
                    "sha256": hex(&notice.content_sha256),
                    "render_sha256": notice.rendered_sha256.map(|hash| hex(&hash)),
                })),
                "language": notice.map(|notice| &notice.language),
                "purposes": [self.iso_purpose(record)],
            },
            "parties": self.iso_parties(record),
            "events": self.iso_events(record),
        })
    }

    fn iso_purpose(&self, record: &ConsentRecord) -> Value {
        let (parties, definition) = (self.parties(), record.purpose.definition());
        let vocabulary = definition.vocabulary();
        let data = vocabulary.personal_data.iter().map(|data| {
            json!({
                "pii_type": data.term,
                "pii_optional": !data.required,
                "sensitive_pii_category": false,
                "special_pii_category": false,
            })
        });
        let controller = parties.controller(&record.app);
        let privacy = controller.map(|controller| controller.privacy.clone());
        let country = controller.map_or(&parties.operator, |known| &known.party).country.clone();
        let apps = std::iter::once(&record.app).chain(&record.peer);
        let third = definition.recipients().contains(&Recipient::Business);
        let third: &[&str] = if third { &[terms::BUSINESSES] } else { &[] };
        let (kept, gone) = (definition.lasts_days(), self.final_within());
        let assessed = record.assessment.as_ref().map(|of| format!("urn:volens:dpia:{}", of.name));
        json!({
            "purpose": terms::process_urn(record),
            "purpose_type": vocabulary.purposes,
            "lawful_basis": definition.legal_basis(),
            "pii_information": data.collect::<Vec<Value>>(),
            "pii_controllers": apps.map(|app| terms::urn(parties, app)).collect::<Vec<String>>(),
            "collection_method": "from the data subject in the app, and observed use",
            "processing_method": vocabulary.processing,
            "storage_locations": [format!("loc:{country}")],
            "processing_locations": [format!("loc:{country}")],
            "retention_period": format!("P{kept}D + deletion within P{gone}D"),
            "service": vocabulary.service,
            "jurisdiction": format!("loc:{country}"),
            "recipient_third_parties": third,
            "withdrawal_method": privacy,
            "privacy_rights": privacy,
            "codes_of_conduct": [],
            "impact_assessment": assessed,
            "authority_party": format!("urn:volens:dpa:{}", parties.authority_of(&record.app).id),
        })
    }

    fn iso_parties(&self, record: &ConsentRecord) -> Vec<Value> {
        let parties = self.parties();
        let joint = record.purpose.definition().controllers() == Controllers::BothApps;
        let kind = if joint { "joint controller" } else { "controller" };
        let apps = std::iter::once(&record.app).chain(&record.peer);
        let named = apps.filter_map(|app| parties.controller(app));
        let mut all: Vec<Value> =
            named.map(|one| iso_party(&one.party, (ROLE, kind), Some(&one.privacy))).collect();
        all.push(iso_party(&parties.operator, ("PII processor", "processor"), None));
        all
    }

    fn iso_events(&self, record: &ConsentRecord) -> Vec<Value> {
        let by = match record.decision {
            Decision::Expired => self.parties().operator.urn(),
            Decision::Given | Decision::Refused | Decision::Withdrawn => {
                format!("{}:{}", record.app, record.subject)
            }
        };
        let requested = record.requested_at.map(|at| {
            json!({
                "event_time": at,
                "event_type": "explicit",
                "event_state": "requested",
                "entity_id": terms::urn(self.parties(), &record.app),
            })
        });
        let mut decided = json!({
            "event_time": record.effective_at(),
            "event_type": "explicit",
            "event_state": record.decision,
            "entity_id": by,
        });
        if record.decision == Decision::Given {
            let days = record.purpose.definition().lasts_days();
            decided["validity_duration"] = json!(format!("P{days}D"));
        }
        requested.into_iter().chain([decided]).collect()
    }
}

const ROLE: &str = "PII controller";

fn iso_party(party: &Party, (role, kind): (&str, &str), url: Option<&str>) -> Value {
    json!({
        "party_id": party.urn(),
        "party_name": party.name,
        "party_role": role,
        "party_type": kind,
        "party_address": party.address,
        "party_contact": party.contact,
        "party_email": party.contact.strip_prefix("mailto:"),
        "party_url": url,
        "party_phone": null,
    })
}
