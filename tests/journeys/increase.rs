//! A campaign keeps a half aside by chance; the app tells what people of both halves buy; the shop's next list
//! is ranked by what a message changes, and says how many more purchases are expected of it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value as Json, json};
use tokio::task::JoinSet;
use volens::background;
use volens::clock::Clock as _;
use volens::relevance::Goal;
use volens_privacy::{Notices, PurposeKind};

use crate::support::town::{SMALL, Town, name, report};
use crate::support::{DAY, TestApp, on_both_with};

/// So many are in the first campaign, and so many on the list of the second.
const PEOPLE: usize = 1240;
const SIZE: usize = 300;
/// Who agreed to the earlier notice, of whom no purchase is noted.
const EARLIER_NOTICE: usize = 3;

/// Everybody by number: every second likes running.
fn likes(n: usize) -> bool {
    n.is_multiple_of(2)
}

/// The same as the newest notice, in the version before purchases were noted.
fn under_the_earlier_notice(mut report: Json) -> Json {
    let notice = Notices::builtin().get("messages", 3, "en").expect("it was published");
    assert!(!notice.notes_purchases);
    report["notice"]["version"] = json!(notice.version);
    report["notice"]["rendered_sha256"] = json!(volens::ids::hex(&notice.sha256));
    report
}

/// Everybody consents to messages, to being ranked and to teaching models; who likes running looks at it.
async fn move_in(town: &Town) {
    for some in (0..PEOPLE).collect::<Vec<_>>().chunks(100) {
        let mut arriving = JoinSet::new();
        for &n in some {
            let messenger = town.messenger.clone();
            let mut consent = report(&name(n), PurposeKind::Relevance);
            consent["decisions"] = ["relevance", "business_messages", "model_training"]
                .map(|purpose| json!({"purpose": purpose, "decision": "given"}))
                .into_iter()
                .collect();
            if n < EARLIER_NOTICE {
                consent = under_the_earlier_notice(consent);
            }
            arriving.spawn(async move {
                let details = json!({"language": "en", "country": "IE", "age_band": "25_34"});
                let settled = messenger.put(&format!("/v1/accounts/{}", name(n)), details).await;
                assert!(settled.status.is_success(), "{}", settled.text());
                messenger.post("/v1/consents", consent).await.expect(201);
            });
        }
        while let Some(arrived) = arriving.join_next().await {
            arrived.expect("they arrive");
        }
    }
    let views: Vec<Json> = (0..PEOPLE)
        .filter(|&n| likes(n))
        .map(|n| {
            json!({"type": "track", "userId": name(n), "event": "Viewed",
                   "messageId": format!("viewed{n}"), "properties": {"topics": ["sport.running"]}})
        })
        .collect();
    tell(town, &views, "accepted").await;
}

/// Sends signals as the app does; each is taken in as `expected`.
async fn tell(town: &Town, items: &[Json], expected: &str) {
    for some in items.chunks(400) {
        let said = town.messenger.post("/v1/batch", json!({ "batch": some })).await.expect(200);
        let said = said["items"].as_array().expect("items");
        assert!(said.iter().all(|item| item["status"] == expected), "{expected}: {said:?}");
    }
}

fn purchase(n: usize, id: &str, business: &str) -> Json {
    json!({"type": "track", "userId": name(n), "event": "Order Completed",
           "messageId": format!("{id}{n}"), "properties": {"business": business}})
}

async fn campaign(town: &Town, goal: Goal) -> Json {
    let now = town.test.clock.now();
    let body = json!({
        "name": "Shoes", "delivery_app": "messenger", "goal": goal.as_str(),
        "message": {"title": "New shoes", "text": "Light ones.", "language": "en",
                    "topics": ["sport.running"]},
        "window": {"from": now, "until": now.plus(DAY)},
    });
    town.shop.post("/v1/campaigns", body).await.expect(201)
}

/// The numbers of those on a list.
async fn listed(town: &Town, list: &Json) -> BTreeSet<usize> {
    let id = list["id"].as_str().expect("an id");
    let (mut rows, mut after) = (BTreeSet::new(), String::new());
    loop {
        let path = format!("/v1/lists/{id}/recipients?limit=500{after}");
        let page = town.shop.get(&path).await.expect(200);
        let data = page["data"].as_array().expect("rows");
        rows.extend(data.iter().map(|row| row["recipient"].as_str().expect("an id").to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        after.clear();
        write!(after, "&after={next}").expect("memory takes it");
    }
    let mut numbers = BTreeSet::new();
    for n in 0..PEOPLE {
        let subject = town.subject(&name(n)).await;
        let recipient = town.test.app.keys.recipient(town.business, subject);
        if rows.contains(&recipient.to_string()) {
            numbers.insert(n);
        }
    }
    assert_eq!(numbers.len(), rows.len());
    numbers
}

/// Who buys: of ten who like running six when they were written to and one otherwise; of ten others three,
/// either way.
fn buyers(listed: &BTreeSet<usize>) -> Vec<usize> {
    let mut seen = [[0_usize; 2]; 2];
    let buys = |n: &usize| {
        let (likes, sent) = (likes(*n), listed.contains(n));
        let nth = &mut seen[usize::from(likes)][usize::from(sent)];
        *nth += 1;
        let of_ten = match (likes, sent) {
            (true, true) => 6,
            (true, false) => 1,
            (false, _) => 3,
        };
        *nth % 10 < of_ten
    };
    (0..PEOPLE).filter(buys).collect()
}

/// What the shop knows of those it wrote to: of about every second purchase.
async fn report_some(town: &Town, list: &Json, buyers: &[usize], listed: &BTreeSet<usize>) {
    let mut outcomes = Vec::new();
    for n in buyers.iter().filter(|n| listed.contains(n) && **n / 2 % 2 == 0) {
        let recipient = town.test.app.keys.recipient(town.business, town.subject(&name(*n)).await);
        outcomes
            .push(json!({"list": list["id"], "recipient": recipient.to_string(), "kind": "buy",
                             "at": town.test.clock.now()}));
    }
    for some in outcomes.chunks(500) {
        let said = town.shop.post("/v1/outcomes", json!({ "outcomes": some })).await;
        assert!(said.status.is_success(), "{}", said.text());
    }
}

/// What the person's copy of everything says of a purchase after each message.
async fn copy_says(town: &Town, n: usize) -> Vec<Json> {
    let copy = town.messenger.get(&format!("/v1/accounts/{}/export", name(n))).await.expect(200);
    let messages = copy["export"]["messages"].as_array().expect("a list");
    messages.iter().map(|message| message["bought"].clone()).collect()
}

async fn all_is_well(town: &Town) {
    let officer = town.test.officer().await;
    officer.post("/v1/audit/invariants", json!({})).await.expect(202);
    background::worker(&town.test.app).run_due().await.expect("jobs run");
    let run = officer.get("/v1/audit/invariants").await.expect(200);
    let all = run["report"]["invariants"].as_array().expect("a list");
    let violated = all.iter().filter(|one| one["verdict"] == "violated");
    assert_eq!(violated.collect::<Vec<_>>(), Vec::<&Json>::new());
}

#[tokio::test]
async fn purchases_that_an_app_tells_of_both_halves_rank_the_next_list_by_increase() {
    on_both_with(&[SMALL], |test: TestApp| async move {
        let town = Town::new(test, 0).await;
        town.teach(Goal::Buy).await;
        move_in(&town).await;
        let first = campaign(&town, Goal::Buy).await;
        let wanted = json!({"campaign": first["id"], "size": PEOPLE, "holdout": 0.5});
        let list = town.list(wanted).await;
        assert_eq!(list["state"], "sealed", "{list}");
        assert_eq!(list["seal"]["ranking"]["why"], "holdout.too_few", "{list}");
        let listed = listed(&town, &list).await;
        let buyers = buyers(&listed);
        let (rival, _) = town.test.new_business("Rival").await;

        // The app tells of purchases in either half, twice over; and of some elsewhere.
        town.test.clock.advance(DAY);
        let business = town.business.to_string();
        let mut told: Vec<Json> =
            buyers.iter().map(|&n| purchase(n, "bought", &business)).collect();
        told.extend(buyers.iter().map(|&n| purchase(n, "again", &business)));
        let aside = (0..PEOPLE).filter(|n| !listed.contains(n));
        told.extend(aside.clone().map(|n| purchase(n, "elsewhere", &rival.to_string())));
        tell(&town, &told, "accepted").await;
        tell(&town, &told, "duplicate").await;
        report_some(&town, &list, &buyers, &listed).await;
        let kept_aside = |buys: bool| {
            let mut aside = aside.clone().filter(|n| *n >= EARLIER_NOTICE);
            aside.find(|n| buyers.contains(n) == buys).expect("somebody")
        };
        assert_eq!(copy_says(&town, kept_aside(true)).await, [json!(true)]);
        assert_eq!(copy_says(&town, kept_aside(false)).await, [json!(false)]);
        assert_eq!(copy_says(&town, 0).await, [Json::Null], "nobody looks: the notice is earlier");

        // Ten take it back; those kept aside all buy when it is over.
        let left: Vec<usize> = (EARLIER_NOTICE..EARLIER_NOTICE + 10).collect();
        for n in &left {
            town.withdraw(&name(*n), PurposeKind::ModelTraining).await;
        }
        assert_eq!(copy_says(&town, left[0]).await, [Json::Null]);
        town.test.clock.advance(DAY * 8);
        let late: Vec<Json> = aside.clone().map(|n| purchase(n, "late", &business)).collect();
        tell(&town, &late, "accepted").await;
        all_is_well(&town).await;

        // One of those whom the first model learned from takes it back, so it gives way to any.
        town.withdraw("taught0", PurposeKind::ModelTraining).await;
        let excluded = town.learn(Goal::Buy).await;
        assert_eq!(excluded.get("consent.withdrawn"), Some(&12), "{excluded:?}");
        let second = campaign(&town, Goal::Buy).await;
        let list = town.list(json!({"campaign": second["id"], "size": SIZE})).await;
        assert_eq!(list["state"], "sealed", "{list}");
        let ranking = &list["seal"]["ranking"];
        assert_eq!(
            (&ranking["by"], &ranking["why"]),
            (&json!("increase"), &json!("increase.known"))
        );
        assert_eq!(ranking["told_by"], "signals", "{ranking}");
        let observed = ranking["treated"].as_u64().zip(ranking["kept_aside"].as_u64());
        let (sent, kept) = observed.expect("counted");
        let taught = (PEOPLE - EARLIER_NOTICE - left.len()) as u64;
        assert!(sent + kept <= taught && sent + kept > taught - 30, "{sent} + {kept} of {taught}");

        // All on it like running: five of ten buy because of the message.
        let forecast = &list["seal"]["forecast"];
        let people = &forecast["increase"]["people"];
        assert!(people["expected"].is_i64(), "{forecast}");
        let [expected, low, high] =
            ["expected", "low", "high"].map(|of| people[of].as_i64().expect("it is known"));
        let truth = i64::try_from(SIZE / 2).expect("a small number");
        assert!(low <= truth && truth <= high && low > truth / 2, "{forecast}");
        assert!((expected - truth).abs() < 40, "{forecast}");
        assert_eq!(forecast["told_by"], "signals", "{forecast}");
        // The shop reported half of what came.
        let reached = forecast["reached"]["people"]["expected"].as_i64().expect("it is known");
        assert!((60..130).contains(&reached), "{forecast}");
        let rows = town.recipients(list["id"].as_str().expect("an id")).await;
        for row in &rows {
            let uplift = row["uplift"].as_f64().expect("known");
            assert!((0.2..0.8).contains(&uplift), "{row}");
        }
    })
    .await;
}
