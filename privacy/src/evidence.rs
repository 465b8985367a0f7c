//! Evidence in one file: receipts, the texts that were shown, and a program that checks both in any
//! browser, without a network. The operator signs all of it, the frame included.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::encoding::hex;
use crate::ledger::LogVerifier;
use crate::notice::Notice;
use crate::parties::Parties;
use crate::receipt::{Issuer, Receipt, ReceiptError, ReceiptReport, contradiction, verify_signed};
use crate::time::Timestamp;

const TYPE: &str = "volens/evidence/1";
const FRAME: &str = include_str!("evidence/frame.html");
const SCRIPT: &str = include_str!("evidence/verify.js");
const STYLE: &str = include_str!("evidence/style.css");
const BEFORE: &str = "<script type=\"application/json\" id=\"evidence\">";
const AFTER: &str = "</script>";

/// Why a file is not evidence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// Not a file of this kind.
    #[error("not an evidence file of a known version")]
    Malformed,
    /// Something outside the data was altered.
    #[error("the page around the evidence was altered")]
    Frame,
    /// A text is not the one that was consented under.
    #[error("the text of a notice is not the one that the receipt names")]
    Notice,
    /// A receipt, or the signature over the whole, does not hold.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
}

impl EvidenceError {
    /// The stable code shown outside.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "evidence.malformed",
            Self::Frame => "evidence.frame",
            Self::Notice => "evidence.notice",
            Self::Receipt(error) => error.code(),
        }
    }
}

/// A text that was shown, and who answered for the data then.
pub struct Shown<'a> {
    /// The text.
    pub notice: &'a Notice,
    /// Who answered for the data.
    pub parties: &'a Parties,
}

/// The file: HTML that opens anywhere and checks itself. With a moment it says that it holds what was
/// recorded by then.
pub fn evidence(
    issuer: &Issuer,
    log: &LogVerifier,
    (receipts, shown, until): (&[Receipt], &[Shown<'_>], Option<Timestamp>),
    now: Timestamp,
) -> String {
    let document = |receipt: &Receipt| -> Value {
        let text = issuer.document(receipt, now);
        serde_json::from_str(text.get()).expect("what the issuer wrote is JSON")
    };
    let names = ["controllers", "contacts", "operator", "operator_address", "authority"];
    let text = |shown: &Shown<'_>| {
        let values = names.iter().filter_map(|name| Some((*name, shown.parties.value(name)?)));
        json!({
            "file": shown.notice.file,
            "id": shown.notice.id,
            "language": shown.notice.language,
            "names": values.collect::<std::collections::BTreeMap<&str, String>>(),
            "title": shown.notice.title,
            "version": shown.notice.version,
        })
    };
    let mut body = json!({
        "created": now,
        "frame": hex(&Sha256::digest(page(""))),
        "log": log.vkey(),
        "notices": shown.iter().map(text).collect::<Vec<Value>>(),
        "receipts": receipts.iter().map(document).collect::<Vec<Value>>(),
        "type": TYPE,
    });
    if let Some(until) = until {
        body["until"] = json!(until);
    }
    let canonical = serde_jcs::to_vec(&body).expect("texts, numbers, lists and objects");
    body["proof"] = issuer.sign(&canonical);
    let data = serde_jcs::to_string(&body).expect("texts, numbers, lists and objects");
    // No text of it can end the element that holds it.
    page(&data.replace('<', "\\u003c"))
}

/// The page with this data in it.
fn page(data: &str) -> String {
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; base-uri 'none'; form-action 'none'",
        source(SCRIPT),
        source(STYLE),
    );
    FRAME
        .replace("{policy}", &policy)
        .replace("{style}", STYLE)
        .replace("{script}", SCRIPT)
        .replace("{data}", data)
}

/// How a policy names an inline text.
fn source(text: &str) -> String {
    format!("sha256-{}", crate::encoding::base64(&Sha256::digest(text)))
}

/// Checks an evidence file offline against the log's key: every receipt, that none contradicts another,
/// every text, the operator's signature over all of it, and that the page around it is the one that was signed.
pub fn verify_evidence(html: &str, log: &LogVerifier) -> Result<Vec<ReceiptReport>, EvidenceError> {
    let (before, rest) = html.split_once(BEFORE).ok_or(EvidenceError::Malformed)?;
    let (data, after) = rest.split_once(AFTER).ok_or(EvidenceError::Malformed)?;
    let mut body = crate::receipt::once(data.as_bytes()).ok_or(EvidenceError::Malformed)?;
    let proof = body.as_object_mut().and_then(|body| body.remove("proof"));
    let proof = proof.ok_or(EvidenceError::Malformed)?;
    verify_signed(&body, proof.clone(), log)?;
    if body["type"] != TYPE {
        return Err(EvidenceError::Malformed);
    }
    let frame = Sha256::new()
        .chain_update(before)
        .chain_update(BEFORE)
        .chain_update(AFTER)
        .chain_update(after)
        .finalize();
    // The data itself has one spelling, too.
    let mut whole = body.clone();
    whole["proof"] = proof;
    let spelled = serde_jcs::to_string(&whole).map_err(|_error| EvidenceError::Malformed)?;
    if body["frame"] != hex(&frame) || spelled.replace('<', "\\u003c") != data {
        return Err(EvidenceError::Frame);
    }
    let receipts = body["receipts"].as_array().ok_or(EvidenceError::Malformed)?;
    let texts = body["notices"].as_array().ok_or(EvidenceError::Malformed)?;
    let reports: Result<Vec<ReceiptReport>, EvidenceError> =
        receipts.iter().map(|receipt| one(receipt, texts, log)).collect();
    let reports = reports?;
    match contradiction(&reports) {
        Some(_) => Err(ReceiptError::Chain.into()),
        None => Ok(reports),
    }
}

fn one(
    receipt: &Value,
    texts: &[Value],
    log: &LogVerifier,
) -> Result<ReceiptReport, EvidenceError> {
    let read = Receipt::from_json(receipt.to_string().as_bytes())?;
    let report = read.verify(log)?;
    if let Some(notice) = &report.record().notice {
        let hash = |text: &Value| {
            let file = text["file"].as_str().unwrap_or_default();
            <[u8; 32]>::from(Sha256::digest(file)) == notice.content_sha256
        };
        if !texts.iter().any(hash) {
            return Err(EvidenceError::Notice);
        }
    }
    Ok(report)
}

#[cfg(test)]
mod tests;
