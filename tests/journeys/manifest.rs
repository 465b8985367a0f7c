//! From whom a model learned: an officer checks it person by person, whoever takes their consent back is
//! out of the model in use within a day, and what was signed before still verifies.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value as Json, json};
use volens::background;
use volens::clock::Clock as _;
use volens_privacy::manifest::{Lesson, LessonProof, Manifest, ManifestFile};
use volens_privacy::{AppId, PurposeKind, SubjectId};

use crate::support::desk::Desk;
use crate::support::program::command;
use crate::support::town::{SMALL, Town};
use crate::support::{Client, on_both_with};

/// One officer is enough here; four eyes are another story.
const ALONE: (&str, &str) = ("audit.lone_officer", "recorded");

/// A town with a trained model, and its officer.
struct House {
    town: Town,
    officer: Client,
    campaign: Json,
}

impl House {
    async fn subject(&self, reference: &str) -> SubjectId {
        let app = &self.town.test.app;
        let messenger = AppId::parse("messenger").expect("a slug");
        let mut tx = app.db.read().await.expect("begins");
        let found = volens::accounts::subject_of(&mut tx, &app.keys, &messenger, reference).await;
        found.expect("reads").expect("an account")
    }

    async fn open(&self, subject: SubjectId) {
        let ask = format!("/v1/audit/accounts/{subject}/openings");
        let asked = self.officer.post(&ask, json!({"reason": "they asked"})).await;
        assert!(asked.status.is_success(), "{}", asked.text());
    }

    /// What the manifest of a model says of somebody.
    async fn lesson(&self, model: &str, subject: SubjectId) -> Json {
        self.officer.get(&format!("/v1/audit/models/{model}/people/{subject}")).await.expect(200)
    }

    /// A list, or why there is none.
    async fn list(&self) -> Json {
        self.town.list(json!({"campaign": self.campaign["id"], "size": 12})).await
    }

    /// The model that a list is ranked by now.
    async fn model_in_use(&self) -> String {
        let mut tx = self.town.test.app.db.read().await.expect("begins");
        let all = volens::relevance::all(&mut tx).await.expect("reads");
        all.iter().find(|one| one.active).expect("one is in use").id.to_string()
    }

    /// Runs the program on this installation; its exit code and what it said.
    async fn program(&self, args: &[&str]) -> (Option<i32>, Json) {
        let test = &self.town.test;
        let database = test.app.settings.database_url().expose().to_owned();
        let output = command(test.directory(), &database).args(args).output().await;
        let output = output.expect("it runs");
        (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default())
    }

    /// Writes the manifest of a model to a file with the program.
    async fn manifest(&self, model: &str, name: &str) -> (PathBuf, ManifestFile) {
        let path = self.town.test.directory().join(name);
        let out = path.to_str().expect("a path");
        let (code, said) = self.program(&["models", "manifest", model, "--out", out]).await;
        assert_eq!(code, Some(0), "{said}");
        let file = serde_json::from_str(&std::fs::read_to_string(&path).expect("it is written"));
        (path, file.expect("a manifest"))
    }

    async fn verifies(&self, path: &std::path::Path) -> bool {
        let key = self.town.test.app.keys.log_verifier().vkey();
        let path = path.to_str().expect("a path");
        let (code, said) =
            self.program(&["models", "manifest", "--verify", path, "--key", &key]).await;
        assert_eq!(said["ok"] == true, code == Some(0), "{said}");
        code == Some(0)
    }

    fn hours_later(&self, hours: u64) {
        self.town.test.clock.advance(Duration::from_hours(hours));
    }

    /// What a check of the invariants says about models.
    async fn verdict(&self) -> String {
        self.officer.post("/v1/audit/invariants", json!({})).await.expect(202);
        background::worker(&self.town.test.app).run_due().await.expect("jobs run");
        let run = self.officer.get("/v1/audit/invariants").await.expect(200);
        let all = run["report"]["invariants"].as_array().expect("a report").clone();
        let models = all.iter().find(|one| one["id"] == "I-15").expect("it is among them");
        assert_ne!(models["looked_at"], 0, "{models}");
        models["verdict"].as_str().expect("a verdict").to_owned()
    }

    /// The minute's sweep, and what it ordered.
    async fn tend(&self) {
        background::sweep(&self.town.test.app).await.expect("sweeps");
        background::worker(&self.town.test.app).run_due().await.expect("jobs run");
    }
}

async fn house(test: crate::support::TestApp) -> House {
    let town = Town::new(test, 45).await;
    let officer = town.test.officer().await;
    let campaign = town.campaign().await;
    House { town, officer, campaign }
}

fn proof(lesson: &Json) -> LessonProof {
    serde_json::from_value(lesson["proof"].clone()).expect("a proof")
}

#[tokio::test]
async fn whoever_takes_a_consent_back_is_out_of_the_model_within_a_day() {
    on_both_with(&[SMALL, ALONE], |test| async move {
        let house = house(test).await;
        let log = house.town.test.app.keys.log_verifier();
        let first = house.model_in_use().await;
        let (path, file) = house.manifest(&first, "first.json").await;
        let report = file.verify(&log).expect("it verifies");
        assert_eq!((report.trained.people, file.leaves.len()), (80, 80));
        assert!(house.verifies(&path).await);
        let served = house.officer.get(&format!("/v1/audit/models/{first}/manifest")).await;
        assert_eq!(served.expect(200), serde_json::to_value(&file).expect("JSON"));

        let (anna, otto) = (house.subject("taught5").await, house.subject("u1").await);
        let closed = format!("/v1/audit/models/{first}/people/{anna}");
        house.officer.get(&closed).await.problem(403, "record.closed");
        house.open(anna).await;
        house.open(otto).await;
        let learned = house.lesson(&first, anna).await;
        assert_eq!((&learned["taught"], &learned["messages"]), (&json!("learned"), &json!(1)));
        let proved = proof(&learned);
        assert_eq!(proved.verify(&log).expect("it verifies").entry, report.entry);
        assert!(file.leaves.contains(&proved.leaf()));
        assert_eq!(learned["training_entry"], json!(proved.lesson.training_entry));
        let stranger = house.lesson(&first, otto).await;
        assert_eq!((&stranger["taught"], &stranger["proof"]), (&json!("absent"), &Json::Null));

        // A consent that is renewed is another entry; the model learned under the one of then.
        house.hours_later(1);
        house.town.consent("taught5", PurposeKind::ModelTraining).await;
        let renewed = house.lesson(&first, anna).await;
        assert_eq!(
            (&renewed["taught"], proof(&renewed).lesson),
            (&json!("learned"), proved.lesson)
        );

        house.town.withdraw("taught5", PurposeKind::ModelTraining).await;
        let left = house.lesson(&first, anna).await;
        assert_eq!((&left["taught"], &left["messages"]), (&json!("left"), &json!(1)), "{left}");
        assert_eq!(left["left_at"], json!(house.town.test.clock.now()));
        assert_eq!(proof(&left).lesson, proved.lesson);
        house.hours_later(23);
        assert_eq!(house.list().await["state"], "sealed", "within the day");
        house.hours_later(1);
        assert_eq!(house.list().await["reason"], "model.stale", "nobody trained it again");

        house.tend().await;
        let second = house.model_in_use().await;
        assert_ne!(second, first);
        assert_eq!(house.list().await["state"], "sealed");
        let (_, newer) = house.manifest(&second, "second.json").await;
        assert_eq!(newer.verify(&log).expect("it verifies").trained.people, 79);
        house.open(anna).await;
        let out = house.lesson(&second, anna).await;
        assert_eq!((&out["taught"], &out["proof"]), (&json!("absent"), &Json::Null), "{out}");
        assert_eq!(house.lesson(&first, anna).await["taught"], "left");
        assert!(house.verifies(&path).await, "what was signed then still is");
        assert_eq!(house.verdict().await, "holds");
    })
    .await;
}

#[tokio::test]
async fn nobody_finds_an_erased_person_in_a_manifest() {
    on_both_with(&[SMALL, ALONE], |test| async move {
        let house = house(test).await;
        let (model, gone) = (house.model_in_use().await, house.subject("taught7").await);
        house.open(gone).await;
        let known = proof(&house.lesson(&model, gone).await);
        let leaves: Vec<[u8; 32]> = leaves(&house, &model).await;
        assert!(leaves.contains(&known.lesson.leaf(&known.salt)));
        assert!(matches(&house, &known.lesson, &leaves).await, "with the key it is found");
        assert_eq!(house.verdict().await, "holds");

        house.town.messenger.delete("/v1/accounts/taught7").await.expect(200);
        let path = format!("/v1/audit/models/{model}/people/{gone}");
        house.officer.get(&path).await.problem(404, "not_found");
        let args = ["models", "manifest", &model, "--app", "messenger", "--account", "taught7"];
        assert_eq!(house.program(&args).await.0, Some(5));
        assert_eq!(self::leaves(&house, &model).await, leaves, "the ledger commits to them all");
        // Somebody who noted everything but the key, and holds the database and every key there is.
        assert!(!matches(&house, &known.lesson, &leaves).await);
        assert_eq!(house.verdict().await, "holds");
    })
    .await;
}

async fn leaves(house: &House, model: &str) -> Vec<[u8; 32]> {
    let mut tx = house.town.test.app.db.read().await.expect("begins");
    let model = model.parse().expect("an id");
    let kept = volens::relevance::manifest::kept(&mut tx, model).await;
    let kept: Manifest = kept.expect("reads");
    kept.leaves().to_vec()
}

/// Whether any key that there is makes a leaf of this lesson.
async fn matches(house: &House, lesson: &Lesson, leaves: &[[u8; 32]]) -> bool {
    let app = &house.town.test.app;
    let mut tx = app.db.read().await.expect("begins");
    let everybody = volens::accounts::after(&mut tx, None, 1000).await.expect("reads");
    let keys = volens::accounts::data_keys(&mut tx, &app.keys, &everybody).await.expect("opens");
    keys.values().any(|key| leaves.contains(&lesson.leaf(&key.lesson_key().salt(&lesson.model))))
}

#[tokio::test]
async fn an_officer_and_the_command_line_look_somebody_up() {
    on_both_with(&[SMALL], |test| async move {
        let house = house(test).await;
        let log = house.town.test.app.keys.log_verifier();
        let model = house.model_in_use().await;
        let proof_file = house.town.test.directory().join("lesson.json");
        let out = proof_file.to_str().expect("a path");
        let mut args =
            vec!["models", "manifest", &model, "--app", "messenger", "--account", "taught6"];
        args.extend(["--out", out]);
        let (code, said) = house.program(&args).await;
        assert_eq!((code, &said["taught"]), (Some(0), &json!("learned")), "{said}");
        proof(&said).verify(&log).expect("it verifies");
        assert!(house.verifies(&proof_file).await);
        let altered = std::fs::read_to_string(&proof_file).expect("it is there");
        let altered = altered.replace("\"messages\": 1", "\"messages\": 2");
        std::fs::write(&proof_file, altered).expect("it is written");
        assert!(!house.verifies(&proof_file).await, "an altered number is refused");
        let unknown = ["models", "manifest", "mdl_00000000000000000000000000000000"];
        assert_eq!(house.program(&unknown).await.0, Some(5));

        let asking = Desk::open(&house.town.test).await;
        let approving = Desk::of(&house.town.test, "second@volens.test").await;
        let looks = asking.browser.get("/officer/entries?kind=officer.access").await.text();
        assert!(looks.contains("whether a model learned from somebody"), "{looks}");
        let page = asking.browser.get("/officer/models").await.text();
        assert!(page.contains("From whom it learned: 80 people"), "{page}");
        let file = asking.browser.get(&format!("/officer/models/{model}/manifest")).await;
        let file: ManifestFile = serde_json::from_str(&file.text()).expect("a manifest");
        file.verify(&log).expect("it verifies");

        let (subject, path) =
            (house.subject("taught6").await.to_string(), format!("/officer/models/{model}/person"));
        let named = [("app", "messenger"), ("reference", "taught6")];
        let closed = asking.post(&path, &named).await.text();
        assert!(closed.contains("This record is closed"), "{closed}");
        let fields = [("subject", subject.as_str()), ("reason", "they asked")];
        asking.post("/officer/openings", &fields).await;
        let waiting = approving.browser.get("/v1/audit/openings").await.expect(200);
        let opening = waiting["data"][0]["id"].as_str().expect("a request").to_owned();
        approving.post(&format!("/officer/openings/{opening}"), &[("decision", "approve")]).await;
        let page = asking.post(&path, &named).await.text();
        for told in ["learned from this person", "it verifies", "Consent to teach models"] {
            assert!(page.contains(told), "{told}: {page}");
        }
        let record = asking.post("/officer/person", &[("subject", subject.as_str())]).await.text();
        assert!(record.contains("Models that learned from this person"), "{record}");
        assert!(record.contains(&format!("/officer/models/{model}/person")), "{record}");

        let export = house.town.messenger.get("/v1/accounts/taught6/export").await.expect(200);
        let own: BTreeMap<&str, &Json> =
            ["model", "messages"].map(|name| (name, &export["export"]["models"][0][name])).into();
        assert_eq!(own, [("model", &json!(model)), ("messages", &json!(1))].into(), "{export}");
    })
    .await;
}
