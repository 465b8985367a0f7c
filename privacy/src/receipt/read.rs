//! Reading receipts: the JSON-LD documents that are handed out, and the form before them.

use serde_json::Value;

use super::facts::{Facts, Form, process_facts};
use super::once::Once;
use super::signature::Proof;
use super::terms::Profile;
use super::{Opening, RECEIPT_TYPE, Receipt, ReceiptError};
use crate::ledger::LogVerifier;

/// The term of the law whose profile every document of the first form names.
const GDPR: &str = "legal-eu:law-GDPR";

/// What was signed over, beside the facts that the ledger proves.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Signed {
    form: Form,
    /// The document without its signature.
    body: Value,
    proof: Proof,
}

/// Reads either form; unknown versions, unknown members of what is checked and repeated members are
/// refused.
pub(super) fn read(json: &[u8]) -> Result<Receipt, ReceiptError> {
    let Once(value) = serde_json::from_slice(json).map_err(|_error| ReceiptError::Malformed)?;
    // Receipts handed out before the JSON-LD form stay good; `Form` tells apart those in it.
    if value.get("type").is_some_and(|kind| kind == RECEIPT_TYPE) {
        return serde_json::from_value(value).map_err(|_error| ReceiptError::Malformed);
    }
    document(value).ok_or(ReceiptError::Malformed)
}

/// JSON in which nothing stands twice.
pub(crate) fn once(json: &[u8]) -> Option<Value> {
    serde_json::from_slice(json).ok().map(|Once(value)| value)
}

/// Checks the operator's signature over a value, by a key that the log vouches for.
pub(crate) fn verify_signed(
    body: &Value,
    proof: Value,
    log: &LogVerifier,
) -> Result<(), ReceiptError> {
    let proof: Proof = serde_json::from_value(proof).map_err(|_error| ReceiptError::Malformed)?;
    let canonical = serde_jcs::to_vec(body).map_err(|_error| ReceiptError::Malformed)?;
    proof.verify(&canonical, log)
}

fn document(mut body: Value) -> Option<Receipt> {
    let proof = body.as_object_mut()?.remove("volens:proof")?;
    let proof = serde_json::from_value(proof).ok()?;
    let form = Form::of(&body)?;
    let known = body["@type"] == "dpv:ConsentReceipt"
        && body["dct:conformsTo"] == profile(&body, form)?.receipt
        && body["dpv:hasRecordOfActivity"].as_array()?.len() == 1;
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    let opening = &body["volens:opening"];
    let receipt = Receipt {
        kind: RECEIPT_TYPE.to_owned(),
        record: serde_json::from_value(opening["record"].clone()).ok()?,
        opening: Opening { alg: text(&opening["alg"])?, key: text(&opening["key"])? },
        leaf: serde_json::from_value(record(&body)["volens:ledger"]["leaf"].clone()).ok()?,
        proof: text(&body["volens:tlogProof"])?,
        signed: Some(Box::new(Signed { form, body, proof })),
    };
    known.then_some(receipt)
}

/// What a document and its record have to conform to.
fn profile(body: &Value, form: Form) -> Option<Profile> {
    Profile::of(match form {
        Form::First => GDPR,
        Form::Second => record(body)["dpv:hasApplicableLaw"][0].as_str()?,
    })
}

fn record(body: &Value) -> &Value {
    &body["dpv:hasRecordOfActivity"][0]
}

impl Signed {
    /// Checks the signature, and that the document states about the decision what the record states
    /// that the ledger commits to.
    pub(super) fn verify(&self, receipt: &Receipt, log: &LogVerifier) -> Result<(), ReceiptError> {
        let canonical = serde_jcs::to_vec(&self.body).map_err(|_error| ReceiptError::Malformed)?;
        self.proof.verify(&canonical, log)?;
        if self.states(receipt) { Ok(()) } else { Err(ReceiptError::Facts) }
    }

    fn states(&self, receipt: &Receipt) -> bool {
        let (body, stated) = (&self.body, record(&self.body));
        let of = |name: &str| body[name].as_str().unwrap_or_default();
        let parties = (of("dct:publisher"), of("dct:creator"));
        let facts = Facts::of(&receipt.record, parties, self.form);
        let profile = profile(body, self.form);
        stated["@type"] == "dpv:ConsentRecord"
            && profile.is_some_and(|profile| stated["dct:conformsTo"] == profile.record)
            && stated["@id"] == facts.id
            && stated.get("dct:replaces") == facts.replaces.map(Value::from).as_ref()
            && stated["dct:created"] == receipt.record.recorded_at.to_string()
            && stated["dpv:hasDataSubject"] == facts.subject
            && body["schema:recipient"] == facts.subject["@id"]
            && stated["dpv:hasConsentStatus"] == facts.status
            && stated.get("dpv:hasNotice") == facts.notice.as_ref()
            && stated.get("dpv:hasImpactAssessment") == facts.assessment.as_ref()
            && stated.get("volens:evidence") == facts.evidence.as_ref()
            && process_facts(stated, receipt)
    }
}
