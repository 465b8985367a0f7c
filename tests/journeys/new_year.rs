//! What officers see and take along when decisions lie on both sides of a New Year.

use std::process::Command;

use axum::body::Body;
use axum::http::Method;
use serde_json::{Value as Json, json};
use volens_privacy::evidence::verify_evidence;
use volens_privacy::{PurposeKind, Timestamp};

use crate::support::desk::Desk;
use crate::support::on_both_with;
use crate::support::town::{Town, name};

/// When one person took a consent back, and gave it again.
const LAST: &str = "2026-12-31T23:59:59.000000Z";
const FIRST: &str = "2027-01-01T00:00:01.000000Z";

/// One person whose decisions are in two years.
struct Story {
    town: Town,
    subject: String,
    /// The entries of what was decided at [`LAST`] and at [`FIRST`].
    entries: [u64; 2],
    /// All receipts, of both years.
    receipts: Json,
}

impl Story {
    async fn of(town: Town) -> Self {
        let set = |text| town.test.clock.set(Timestamp::parse(text).expect("a time"));
        let purpose = PurposeKind::BusinessMessages;
        set(LAST);
        let taken = town.withdraw(&name(1), purpose).await;
        set(FIRST);
        let given = town.consent(&name(1), purpose).await;
        let entry = |receipt: &Json| {
            let stated = &receipt["dpv:hasRecordOfActivity"][0]["volens:ledger"];
            stated["index"].as_u64().expect("an entry")
        };
        let of = |answer: &Json| {
            let receipt = &answer["receipts"][0];
            if receipt.is_null() { answer["receipt"].clone() } else { receipt.clone() }
        };
        let receipts = [of(&taken), of(&given)];
        let entries = [entry(&receipts[0]), entry(&receipts[1])];
        assert_eq!(entries[1], entries[0] + 2, "between them is the entry that opens the year");
        let subject = receipts[0]["schema:recipient"].as_str().expect("an account");
        let subject = subject.rsplit(':').next().expect("its id").to_owned();
        let state = town.messenger.get(&format!("/v1/accounts/{}/consents", name(1))).await;
        let receipts = state.expect(200)["receipts"].clone();
        Self { town, subject, entries, receipts }
    }

    /// The time machine and the evidence file, as the API has them.
    async fn is_told(&self) {
        let (test, who) = (&self.town.test, &self.subject);
        let officer = test.officer().await;
        let ask = format!("/v1/audit/accounts/{who}/openings");
        officer.post(&ask, json!({"reason": "a complaint"})).await.expect(201);
        let then = "2026-12-31T23:59:59.500000Z";
        let address = format!("/v1/audit/accounts/{who}/then?at={FIRST}&compare={then}");
        let told = officer.get(&address).await.expect(200);
        let state = |states: &Json| {
            let mut states = states.as_array().expect("states").iter();
            let found = states.find(|state| state["purpose"] == "business_messages");
            let found = found.expect("messages").clone();
            (found["live"] == true, found["entry"].as_u64())
        };
        assert_eq!(state(&told["states"]), (true, Some(self.entries[1])));
        assert_eq!(state(&told["differed"]), (false, Some(self.entries[0])));

        let log = test.app.keys.log_verifier();
        let evidence = format!("/v1/audit/accounts/{who}/evidence");
        let [last, first] = self.entries;
        for (more, years) in [
            (String::new(), &["", "/2027"][..]),
            (format!("?at={then}"), &[""]),
            (format!("?entry={last}"), &[""]),
            (format!("?entry={first}"), &["/2027"]),
        ] {
            let address = format!("{evidence}{more}");
            let html = officer.send(Method::GET, &address, None, Body::empty()).await.text();
            let reports = verify_evidence(&html, &log).expect("it verifies");
            let mut found: Vec<String> =
                reports.iter().map(|report| report.checkpoint().origin.clone()).collect();
            found.sort();
            found.dedup();
            let named: Vec<String> =
                years.iter().map(|year| format!("{}{year}", log.origin())).collect();
            assert_eq!(found, named, "{more}");
            self.verifies(&html);
        }
    }

    /// On the command line, and on the page that checks what is pasted.
    fn verifies(&self, file: &str) {
        let key = self.town.test.app.keys.log_verifier().vkey();
        let directory = tempfile::tempdir().expect("a directory");
        let check = |text: &str| {
            let path = directory.path().join("pasted");
            std::fs::write(&path, text).expect("written");
            let mut program = Command::new(env!("CARGO_BIN_EXE_volens"));
            program.args(["receipt", "verify", "--key", &key]).arg(path);
            program.output().expect("it runs").status.code()
        };
        assert_eq!(check(file), Some(0));
        assert_eq!(check(&file.replacen("business_messages", "bot_memories", 1)), Some(3));
    }

    /// The officer's own pages.
    async fn is_shown(&self) {
        let test = &self.town.test;
        let desk = Desk::open(test).await;
        let says = |page: &str, texts: &[&str]| {
            for text in texts {
                assert!(page.contains(text), "{text}: {page}");
            }
        };
        let log = test.app.keys.log_verifier().origin().to_owned();
        let [last, first] = self.entries;
        let next = format!("{log}/2027");
        for (entry, tree) in [(last, &log), (last + 1, &next), (first, &next)] {
            let page = desk.browser.get(&format!("/officer/entries/{entry}")).await.text();
            says(&page, &["Proven: ", &format!("signed head of {tree} over ")]);
        }
        let page = desk.browser.get("/officer/entries?kind=log.opened").await.text();
        says(&page, &[&format!("/officer/entries/{}\"", last + 1)]);

        let ask = [("subject", self.subject.as_str()), ("reason", "she asked for it")];
        assert_eq!(desk.post("/officer/openings", &ask).await.status, 303);
        let fields = [("subject", self.subject.as_str()), ("at", FIRST), ("compare", LAST)];
        let page = desk.post("/officer/time", &fields).await.text();
        let links = [last, first].map(|entry| format!("href=\"/officer/entries/{entry}\""));
        says(&page, &[&links[0], &links[1], "every record opens to its entry"]);

        let all = self.receipts.to_string();
        let count = self.receipts.as_array().expect("receipts").len();
        assert_eq!(count, 4);
        let page = desk.post("/officer/receipt", &[("receipt", &all)]).await.text();
        says(&page, &[&format!("{count} of {count} receipts hold."), &links[0], &links[1]]);
        let path = format!("/v1/audit/accounts/{}/evidence", self.subject);
        let html = desk.browser.get(&path).await.text();
        let page = desk.post("/officer/receipt", &[("receipt", &html)]).await.text();
        says(&page, &["The evidence file holds: its 4 receipts"]);

        let page = desk.post("/officer/verify", &[]).await.text();
        says(&page, &["Everything holds", &format!("<dd>{next}</dd>")]);
    }
}

#[tokio::test]
async fn officers_see_and_prove_decisions_of_two_years() {
    on_both_with(&[("audit.lone_officer", "recorded")], |test| async move {
        let story = Story::of(Town::new(test, 2).await).await;
        story.is_told().await;
        story.verifies(&story.receipts.to_string());
        story.is_shown().await;
    })
    .await;
}
