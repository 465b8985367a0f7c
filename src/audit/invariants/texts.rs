//! I-19: no phone number stands in any text.

use serde_json::Value as Json;
use volens_privacy::ledger::Leaf;

use super::{Finding, Look, store_texts};
use crate::audit::AuditError;
use crate::ledger;

/// Texts read together.
const PAGE: u32 = 500;

/// Columns that are not looked at, and why. Every other column of texts is; a test compares both with
/// the schema.
#[cfg(test)]
pub(super) const EXEMPT: &[(&str, &str)] = &[
    ("businesses.name", "a business's own words"),
    ("campaigns.name", "a business's own words"),
    ("campaigns.title", "a business's own words, which may name its own number"),
    ("campaigns.body", "a business's own words, which may name its own number"),
    ("campaigns.recognised", "words of a business's own text"),
    ("campaigns.variants", "a business's own words, which may name its own number"),
    ("lists.variants", "the same texts, with counts that may be of many people"),
    ("bots.name", "a business's own words"),
    ("bots.persona", "a business's own words"),
    ("bot_versions.name", "a business's own words"),
    ("bot_versions.persona", "a business's own words"),
    ("bot_documents.title", "a business's own words"),
    ("bot_documents.content", "a business's own words, which may name its own number"),
    ("bot_documents.url", "a business's own address"),
    ("bot_passages.title", "a business's own words"),
    ("bot_passages.body", "a business's own words, which may name its own number"),
    ("bot_passages.url", "a business's own address"),
    ("reach_answers.counts", "counts with noise, which may be of many people"),
    ("models.card", "figures of a training, whose seed has eight digits"),
    ("assessments.name", "the operator's name for a document, which may hold a date"),
    ("notice_parties.text", "companies' own words, which may name their numbers"),
    ("users.email", "the address of a user of the console"),
    ("users.password", "a hash of Argon2id"),
    ("ledger_checkpoints.note", "hashes and signatures in base64"),
    ("ledger_cosignatures.line", "signatures in base64"),
];

/// Entries of the ledger looked at together.
const ENTRIES: u64 = 2048;

/// Every text that holds eight digits in a row, looked at more closely. What was found is not told,
/// only where.
pub(super) async fn check(look: &mut Look<'_>) -> Result<(), AuditError> {
    look.looked(store_texts::watched_columns(look.tx.engine()).len() as u64);
    let mut after = (String::new(), String::new());
    loop {
        let page = store_texts::digits_after(look.tx, &after, PAGE).await?;
        let Some(last) = page.last() else { break };
        for (place, _) in page.iter().filter(|(_, said)| has_phone(said)) {
            look.found(Finding::new("text.phone_shaped").at(place));
        }
        after.clone_from(last);
    }
    entries(look).await
}

/// The details of all entries of the ledger, which stay for ever. The rest of an entry is hashes, times and
/// words of this program.
async fn entries(look: &mut Look<'_>) -> Result<(), AuditError> {
    let size = ledger::size(look.tx).await?;
    let mut from = 0;
    while from < size {
        let to = size.min(from + ENTRIES);
        for (index, bytes) in ledger::entries(look.tx, from, to).await? {
            look.looked(1);
            let leaf = Leaf::parse(&bytes).ok();
            if leaf.and_then(|leaf| leaf.detail().map(says_phone)).unwrap_or_default() {
                look.found(
                    Finding::new("text.phone_shaped").entry(index).at("ledger_entries.leaf"),
                );
            }
        }
        look.progress(to, size);
        from = to;
    }
    Ok(())
}

/// Whether some text within a value has the shape of a phone number. Numbers count things.
fn says_phone(value: &Json) -> bool {
    match value {
        Json::String(text) => has_phone(text),
        Json::Array(items) => items.iter().any(says_phone),
        // The id of a signer's key is eight hexadecimal digits between plus signs: at times all are decimal.
        Json::Object(fields) => {
            fields.iter().any(|(name, of)| name != "vkey" && (has_phone(name) || says_phone(of)))
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}

/// Whether a text holds 8 to 15 digits that stand alone, perhaps behind a plus sign: the shape of a
/// number in E.164. Digits within ids, hashes and fractions do not stand alone.
pub(super) fn has_phone(text: &str) -> bool {
    let bytes = text.as_bytes();
    let word = |at: usize| bytes.get(at).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes[at..].iter().take_while(|b| b.is_ascii_digit()).count();
        let joined = at > 0 && (word(at - 1) || bytes[at - 1] == b'.');
        if (8..=15).contains(&digits) && !joined && !word(at + digits) {
            return true;
        }
        at += digits.max(1);
    }
    false
}
