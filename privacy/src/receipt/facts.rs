//! What a document says about one decision, as opposed to its kind. A verifier makes the same from the
//! record that the ledger commits to, and compares.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Receipt, terms};
use crate::claims::Claims;
use crate::consent::{AssessmentRef, ConsentRecord, Decision, NoticeRef};
use crate::encoding::hex;
use crate::ledger::parse_tlog_proof;

/// Which form of the document. Those handed out earlier stay good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The first in JSON-LD: without what a record follows, what was attached, the assessment and the
    /// publication of the notice; of the profile for the GDPR under every law.
    First,
    /// The whole of it.
    Second,
}

impl Form {
    /// What is issued.
    pub(super) const TODAY: Self = Self::Second;

    /// What the document says of itself.
    pub(super) const fn version(self) -> Option<&'static str> {
        match self {
            Self::First => None,
            Self::Second => Some("2"),
        }
    }

    /// The form of a document; nothing when it is of a later one.
    pub(super) fn of(document: &Value) -> Option<Self> {
        let said = document.get("schema:version");
        [Self::First, Self::Second]
            .into_iter()
            .find(|form| said == form.version().map(Value::from).as_ref())
    }
}

/// What follows from the record.
pub(super) struct Facts {
    pub(super) id: String,
    pub(super) replaces: Option<String>,
    pub(super) subject: Value,
    pub(super) status: Value,
    pub(super) notice: Option<Value>,
    pub(super) assessment: Option<Value>,
    pub(super) evidence: Option<Value>,
}

impl Facts {
    pub(super) fn of(
        record: &ConsentRecord,
        (controller, operator): (&str, &str),
        form: Form,
    ) -> Self {
        let first = Self {
            id: urn(&record.id),
            replaces: None,
            subject: json!({ "@id": subject_urn(record), "@type": ["dpv:User"] }),
            status: status(record, controller, operator),
            notice: record.notice.as_ref().map(notice),
            assessment: None,
            evidence: None,
        };
        match form {
            Form::First => first,
            Form::Second => first.whole(record),
        }
    }

    /// What the second form has beyond the first.
    fn whole(mut self, record: &ConsentRecord) -> Self {
        let previous = record.chain.as_ref().and_then(|chain| chain.previous);
        if let Some(previous) = previous {
            self.replaces = Some(urn(&previous.id));
            let stood = matches!(previous.decision, Decision::Given | Decision::Expired);
            if stood
                && record.decision == Decision::Given
                && let Some(reached) = self.status.as_array_mut().and_then(|all| all.last_mut())
                && let Some(types) = reached["@type"].as_array_mut()
            {
                types.push(json!("dpv:RenewedConsentGiven"));
            }
        }
        if let Some(published) = record.notice.as_ref().and_then(|notice| notice.published)
            && let Some(shown) = &mut self.notice
        {
            let at = published.at.to_string();
            let (date, _) = at.split_at("2026-11-21".len());
            shown["dct:coverage"] = json!(format!("{date}/.."));
            shown["dct:date"] = json!(date);
            shown["volens:ledgerIndex"] = json!(published.entry);
        }
        self.assessment = record.assessment.as_ref().map(assessment);
        self.evidence = Some(evidence(record));
        self
    }
}

fn notice(notice: &NoticeRef) -> Value {
    let urn = format!("urn:volens:notice:{}/{}/{}", notice.id, notice.version, notice.language);
    let mut shown = json!({
        "@id": urn,
        "@type": "dpv:ConsentNotice",
        "dct:language": notice.language,
        "schema:version": notice.version.to_string(),
        "volens:contentSha256": hex(&notice.content_sha256),
    });
    if let Some(rendered) = &notice.rendered_sha256 {
        shown["volens:renderSha256"] = json!(hex(rendered));
    }
    shown
}

fn assessment(assessment: &AssessmentRef) -> Value {
    json!({
        "@id": format!("urn:volens:dpia:{}", assessment.name),
        "@type": "dpv:DPIA",
        "dct:identifier": assessment.name,
        "volens:contentSha256": hex(&assessment.sha256),
        "volens:ledgerIndex": assessment.entry,
    })
}

/// What the app attached and what the record follows. Of records from before that was told nothing is
/// said; `null` is said of the first.
fn evidence(record: &ConsentRecord) -> Value {
    let mut evidence = json!({});
    if let Some(attached) = &record.evidence {
        let canonical = serde_jcs::to_vec(attached).expect("JSON values have a canonical form");
        evidence["attachedSha256"] = json!(hex(&Sha256::digest(canonical)));
        if let Ok(Some(signature)) = Claims::signature(attached) {
            evidence["appKid"] = json!(signature.kid);
            evidence["jwsDetached"] = attached["jws"].clone();
        }
    }
    if let Some(chain) = &record.chain {
        let hash = chain.previous.as_ref().map(|previous| hex(&previous.sha256));
        evidence["previousRecordSha256"] = json!(hash);
    }
    evidence
}

fn status(record: &ConsentRecord, controller: &str, operator: &str) -> Value {
    let (term, by) = match record.decision {
        Decision::Given => ("dpv:ConsentGiven", None),
        Decision::Refused => ("dpv:ConsentRefused", None),
        Decision::Withdrawn => ("dpv:ConsentWithdrawn", None),
        Decision::Expired => ("dpv:ConsentExpired", Some(operator)),
    };
    let by = by.map_or_else(|| subject_urn(record), ToOwned::to_owned);
    let mut reached = json!({
        "@type": [term],
        "dpv:hasIndicationMethod": "as the app reported it over its authenticated interface",
        "dpv:isIndicatedAtTime": record.effective_at(),
        "dpv:isIndicatedBy": by,
    });
    if record.decision == Decision::Given {
        reached["@type"] = json!([term, "dpv:ExplicitlyExpressedConsent"]);
        reached["dpv:hasDuration"] = terms::duration(record.purpose.definition().lasts_days());
        reached["volens:endsAt"] = json!(record.ends_at());
    }
    if record.decision == Decision::Expired {
        reached["dpv:hasIndicationMethod"] = json!("the time it was given for ran out");
    }
    match record.requested_at {
        Some(requested_at) => json!([
            {
                "@type": ["dpv:ConsentRequested"],
                "dpv:isIndicatedAtTime": requested_at,
                "dpv:isIndicatedBy": controller,
            },
            reached,
        ]),
        None => json!([reached]),
    }
}

/// Where the record is in the ledger.
pub(super) fn ledger(receipt: &Receipt) -> Value {
    let proof = parse_tlog_proof(&receipt.proof).ok();
    let origin = proof.as_ref().map(|proof| proof.checkpoint.unverified().origin);
    json!({
        "index": proof.map(|proof| proof.entry()),
        "leaf": receipt.leaf,
        "leafCommitment": receipt.leaf.commitment().map(|commitment| hex(commitment)),
        "origin": origin,
    })
}

/// Whether purpose and place in the ledger are those that the record and its proof state.
pub(super) fn process_facts(stated: &Value, receipt: &Receipt) -> bool {
    stated["dpv:hasProcess"][0]["@id"] == terms::process_urn(&receipt.record)
        && stated["volens:ledger"] == ledger(receipt)
}

pub(super) fn subject_urn(record: &ConsentRecord) -> String {
    format!("urn:volens:subject:{}:{}", record.app, record.subject)
}

fn urn(id: &[u8; 16]) -> String {
    format!("urn:uuid:{}", uuid(id))
}

/// 16 bytes in the form of RFC 9562.
pub(super) fn uuid(bytes: &[u8; 16]) -> String {
    let hex = hex(bytes);
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    parts.join("-")
}
