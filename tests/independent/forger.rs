//! An operator who holds every key and hands out what is not so: validly signed, in a ledger made for it.

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::Value as Json;
use volens::app::App;
use volens_privacy::consent::{
    AssessmentRef, Chain, CommittedRecord, Decision, NoticeRef, Previous, Published,
};
use volens_privacy::ledger::{Checkpoint, MemoryTree, prove_inclusion};
use volens_privacy::{
    AppId, ConsentRecord, DataKey, Notices, PurposeKind, Receipt, SubjectId, Timestamp,
};

/// The document with something else in it, signed as if it were so.
pub(crate) fn signed_again(app: &App, document: &Json, change: impl FnOnce(&mut Json)) -> Json {
    let mut body = document.clone();
    body.as_object_mut().expect("a document").remove("volens:proof");
    change(&mut body);
    // Members stand in order, and there is no number but whole ones: canonical as it is written.
    body["volens:proof"] = app.receipts.sign(body.to_string().as_bytes());
    body
}

/// Receipts of these records as the only entries of a ledger, in this order.
pub(crate) fn history(app: &App, records: &[ConsentRecord]) -> Vec<Receipt> {
    let key = DataKey::generate(&mut StdRng::seed_from_u64(7));
    let committed: Vec<CommittedRecord> =
        records.iter().map(|record| record.clone().commit(&key)).collect();
    let mut tree = MemoryTree::default();
    for record in &committed {
        tree.append(record.leaf().hash());
    }
    let signer = app.keys.log_signer();
    let (size, root) = (records.len() as u64, tree.root());
    let origin = signer.origin().to_owned();
    let signed = signer.sign(&Checkpoint { origin, before: 0, size, root });
    let receipt = |(record, index): (CommittedRecord, u64)| {
        let path =
            prove_inclusion(index, size, &|node| tree.node(node)).expect("it is in the tree");
        Receipt::new(record, index, &path, &signed)
    };
    committed.into_iter().zip(0..).map(receipt).collect()
}

/// A receipt as it is handed out.
pub(crate) fn document(app: &App, receipt: &Receipt) -> Json {
    serde_json::from_str(app.receipts.document(receipt, app.now()).get()).expect("JSON")
}

/// A consent with everything that a record can refer to.
pub(crate) fn consent(now: Timestamp, evidence: Json) -> ConsentRecord {
    let notice = Notices::builtin().get("linking", 1, "en").expect("it is built in");
    let published = Some(Published { at: now, entry: 5 });
    ConsentRecord {
        app: AppId::parse("messenger").expect("a name"),
        assessment: Some(AssessmentRef { entry: 7, name: "linking/2".to_owned(), sha256: [9; 32] }),
        chain: Some(Chain { previous: None }),
        decided_at: now,
        decision: Decision::Given,
        evidence: Some(evidence),
        expires_at: None,
        id: [1; 16],
        notice: Some(NoticeRef { published, ..notice.reference(None) }),
        peer: Some(AppId::parse("photo").expect("a name")),
        phone: None,
        purpose: PurposeKind::CrossAppLinking,
        recorded_at: now,
        requested_at: None,
        subject: SubjectId::from_bytes([3; 16]),
    }
}

/// The withdrawal of a consent.
pub(crate) fn withdrawal(of: &ConsentRecord) -> ConsentRecord {
    ConsentRecord {
        assessment: None,
        chain: Some(Chain { previous: Some(Previous::of(of)) }),
        decision: Decision::Withdrawn,
        evidence: None,
        id: [2; 16],
        notice: None,
        ..of.clone()
    }
}

/// The evidence file with something else in its data, signed as if it were so.
pub(crate) fn evidence_again(app: &App, html: &str, change: impl FnOnce(&mut Json)) -> String {
    let begin = html.find("id=\"evidence\">").expect("data") + "id=\"evidence\">".len();
    let end = begin + html[begin..].find("</script>").expect("an end");
    let mut body: Json = serde_json::from_str(&html[begin..end]).expect("JSON");
    body.as_object_mut().expect("an object").remove("proof");
    change(&mut body);
    body["proof"] = app.receipts.sign(body.to_string().as_bytes());
    let data = body.to_string().replace('<', "\\u003c");
    format!("{}{data}{}", &html[..begin], &html[end..])
}
