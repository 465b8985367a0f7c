//! Variants of a message: who gets which, what is known of them, and what a replay says.

use std::collections::{BTreeMap, BTreeSet};

use volens_privacy::{PurposeKind, RecipientId};

use super::town::{K, SHOP, Town, name, running_shoes, same};
use crate::audience::build::build;
use crate::audience::campaigns::{self, Campaign, CampaignIn, Text};
use crate::audience::export::Format;
use crate::audience::export::read::read;
use crate::audience::outcomes::{self, OutcomeIn};
use crate::audience::replay::replay;
use crate::audience::request::{List, RequestIn};
use crate::audience::variants::report::{Report, report};
use crate::audience::{AudienceError, Result, Row};
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::db::{Statement, values};
use crate::relevance::{Assigned, OutcomeKind};

const KEPT_ASIDE: Statement = same(
    "KEPT_ASIDE",
    "select count(*) as people, count(variant) as given from exposures
      where treated = 0 and campaign is not null",
);
const UNLOCK: Statement = Statement::new(
    "audience::tests",
    "UNLOCK_VARIANTS",
    "drop trigger list_rows_are_written_once",
    "drop trigger list_rows_are_written_once on list_rows",
);

pub(super) fn text(title: &str, text: &str) -> Text {
    Text { title: title.to_owned(), text: text.to_owned(), language: "en".to_owned() }
}

pub(super) fn two_texts() -> CampaignIn {
    CampaignIn { variants: vec![text("Shoes, new", "They weigh nothing.")], ..running_shoes() }
}

async fn make(town: &Town, wanted: CampaignIn) -> Result<Campaign> {
    let mut tx = town.world.db.begin().await.expect("begins");
    let made =
        campaigns::make(&mut tx, SHOP, wanted, &mut town.rng(), town.world.clock.now()).await;
    tx.commit().await.expect("commits");
    made
}

pub(super) async fn campaign(town: &Town) -> Campaign {
    make(town, two_texts()).await.expect("an acceptable campaign")
}

pub(super) fn request(town: &Town, of: &Campaign, size: u32) -> RequestIn {
    RequestIn { campaign: of.id, ..town.request(size) }
}

async fn rows(town: &Town, list: &List) -> Vec<Row> {
    town.rows(list).await.expect("served").rows
}

fn given(row: &Row) -> Assigned {
    row.variant.expect("a variant")
}

fn is_b(row: &Row) -> bool {
    given(row).name.place() == 1
}

/// Reports that this happened to these rows.
async fn report_of(town: &Town, list: &List, of: &[Row], kind: OutcomeKind) {
    let at = town.world.clock.now();
    let one =
        |row: &Row| OutcomeIn { list: list.id, recipient: row.recipient, kind, at, value: None };
    let outcomes: Vec<OutcomeIn> = of.iter().map(one).collect();
    let mut tx = town.world.db.begin().await.expect("begins");
    let taken = outcomes::record(&mut tx, SHOP, &outcomes, at).await.expect("taken");
    assert!(taken.iter().all(Result::is_ok));
    tx.commit().await.expect("commits");
}

fn clicked(rows: &[Row]) -> Vec<Row> {
    let mut clicked: Vec<Row> = rows.iter().filter(|row| is_b(row)).cloned().collect();
    clicked.pop();
    clicked
}

async fn told(town: &Town, of: &Campaign, k: u64) -> Report {
    let mut tx = town.world.db.read().await.expect("begins");
    report(&mut tx, of, k).await.expect("told")
}

fn shares(list: &List) -> Vec<f64> {
    let drawing = list.sealing.as_ref().expect("sealed").variants.as_ref().expect("several");
    drawing.draw.variants.iter().map(|offered| offered.share).collect()
}

#[tokio::test]
async fn the_next_list_prefers_what_did_better_and_nobody_kept_aside_is_given_any() {
    on_both(|db| async move {
        let town = Town::new(db, 160, 6).await;
        let campaign = campaign(&town).await;
        let first = town.list(request(&town, &campaign, 60)).await.expect("built");
        assert_eq!(shares(&first), [0.5, 0.5]);
        let before = rows(&town, &first).await;
        let b = before.iter().filter(|row| is_b(row)).count();
        assert!((15..=45).contains(&b), "both are drawn: {b} of 60");
        assert!(before.iter().all(|row| given(row).propensity.total_cmp(&0.5).is_eq()));
        assert!(before.iter().all(|row| row.propensity == Some(0.9)), "the holdout stays as it is");

        let again = town.list(request(&town, &campaign, 60)).await.expect("built");
        assert_eq!(shares(&again), [0.5, 0.5], "nothing was reported");
        report_of(&town, &first, &clicked(&before), OutcomeKind::Click).await;
        let next = town.list(request(&town, &campaign, 110)).await.expect("built");
        let [a, preferred] = shares(&next)[..] else { panic!("two variants") };
        assert!((0.1..0.12).contains(&a) && preferred > 0.88, "{a} {preferred}");
        let known: BTreeMap<RecipientId, Assigned> =
            before.iter().map(|row| (row.recipient, given(row))).collect();
        let after = rows(&town, &next).await;
        let (earlier, new): (Vec<&Row>, Vec<&Row>) =
            after.iter().partition(|row| known.contains_key(&row.recipient));
        assert!(earlier.len() >= 50 && new.len() >= 30, "{} {}", earlier.len(), new.len());
        assert!(earlier.iter().all(|row| known[&row.recipient] == given(row)), "kept");
        let got = new.iter().filter(|row| is_b(row)).count();
        assert!(got * 10 > new.len() * 7, "{got} of {} new people", new.len());
        for row in new {
            let share = if is_b(row) { preferred } else { a };
            assert!(given(row).propensity.total_cmp(&share).is_eq());
        }
        for list in [&first, &again, &next] {
            let found = town.replayed(list).await;
            assert!(found.is_confirmed(), "{:?}", found.denied);
        }
        let mut tx = town.world.db.read().await.expect("begins");
        let row = tx.fetch_one(KEPT_ASIDE, values![]).await.expect("counts");
        let counts = (row.get::<u64>("people").unwrap(), row.get::<u64>("given").unwrap());
        assert!(counts.0 > 0 && counts.1 == 0, "{counts:?}");
    })
    .await;
}

#[tokio::test]
async fn what_is_complained_about_is_not_preferred() {
    on_both(|db| async move {
        let town = Town::new(db, 120, 0).await;
        let campaign = campaign(&town).await;
        let first = town.list(request(&town, &campaign, 80)).await.expect("built");
        let rows = rows(&town, &first).await;
        let b: Vec<Row> = rows.iter().filter(|row| is_b(row)).cloned().collect();
        report_of(&town, &first, &b[..8], OutcomeKind::Click).await;
        assert!(told(&town, &campaign, 10).await.variants[1].next > 0.8);
        report_of(&town, &first, &b[5..], OutcomeKind::Complaint).await;
        assert!(told(&town, &campaign, 10).await.variants[1].next < 0.2);
    })
    .await;
}

#[tokio::test]
async fn counts_of_few_are_withheld_and_withdrawn_people_are_in_none() {
    on_both(|db| async move {
        let town = Town::new(db, 120, 0).await;
        let campaign = campaign(&town).await;
        let nothing = told(&town, &campaign, 10).await;
        assert_eq!((nothing.variants.len(), nothing.goal), (2, "click"));
        assert!(nothing.variants.iter().all(|of| of.recipients.is_none() && of.best.is_none()));
        let list = town.list(request(&town, &campaign, 80)).await.expect("built");
        let rows = rows(&town, &list).await;
        assert_eq!(
            told(&town, &campaign, 10).await,
            nothing,
            "not counted before anything is reported"
        );
        report_of(&town, &list, &clicked(&rows), OutcomeKind::Click).await;
        let told_now = told(&town, &campaign, 10).await;
        let [a, b] = &told_now.variants[..] else { panic!("two") };
        assert_eq!((a.reached, a.rate, a.stopped), (None, None, None), "nobody is few");
        let all = rows.iter().filter(|row| is_b(row)).count() as u64;
        let near = |count: Option<u64>, of: u64| count.is_some_and(|count| count.abs_diff(of) <= 5);
        assert!(near(b.recipients, all) && near(b.reached, all - 1), "{b:?} of {all}");
        assert_eq!((b.recipients.unwrap() % 10, b.reached.unwrap() % 10), (0, 0), "rounded");
        let rate = b.rate.expect("told");
        assert!(rate.low < rate.mean && rate.mean < rate.high && rate.mean > 0.8);
        assert_eq!((a.best, b.best), (Some(0.0), Some(1.0)));
        assert!(b.next > 0.89);
        let few = told(&town, &campaign, 50).await;
        assert!(few.variants.iter().all(|of| of.recipients.is_none() && of.best.is_none()));
        assert_eq!(few.variants[1].next.total_cmp(&0.5), std::cmp::Ordering::Equal);

        let of: BTreeSet<RecipientId> =
            rows.iter().filter(|row| is_b(row)).map(|row| row.recipient).collect();
        let listed =
            (0..120).filter(|n| of.contains(&town.world.keys.recipient(SHOP, town.person(*n))));
        for n in listed.skip(8) {
            town.world
                .withdraw("messenger", &name(n), PurposeKind::Relevance, None)
                .await
                .expect("ends");
        }
        assert_eq!(told(&town, &campaign, 10).await.variants[1].recipients, None, "eight are left");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_built_at_once_give_nobody_two_variants() {
    on_both(|db| async move {
        let town = Town::new(db, 160, 0).await;
        let campaign = campaign(&town).await;
        let first = town.list(request(&town, &campaign, 40)).await.expect("built");
        let of_first = rows(&town, &first).await;
        let order = town.order(request(&town, &campaign, 100)).await.expect("asked for");
        // Whatever was drawn for this list was drawn before the other, which knows more.
        let meanwhile = std::sync::Mutex::new(None);
        let other = async |_| {
            report_of(&town, &first, &clicked(&of_first), OutcomeKind::Click).await;
            let built = Box::pin(town.list(request(&town, &campaign, 100))).await.expect("built");
            *meanwhile.lock().unwrap() = Some(built);
        };
        let crossed = town.build_while(order, other).await;
        assert!(matches!(crossed, Err(AudienceError::Crossed)), "{crossed:?}");
        let again =
            build(&town.workshop(), order, &mut town.rng(), &|_, _| {}).await.expect("built");
        let sealed_first = meanwhile.into_inner().unwrap().expect("sealed");
        let known: BTreeMap<RecipientId, Assigned> = rows(&town, &sealed_first)
            .await
            .iter()
            .map(|row| (row.recipient, given(row)))
            .collect();
        let both = rows(&town, &again).await;
        let both: Vec<&Row> =
            both.iter().filter(|row| known.contains_key(&row.recipient)).collect();
        assert!(both.len() > 80 && both.iter().all(|row| known[&row.recipient] == given(row)));
        assert!(town.replayed(&again).await.is_confirmed());
    })
    .await;
}

const FORGERIES: [(Statement, &str); 7] = [
    (
        same("OTHER", "update list_rows set variant = 1 - variant where rank = 3"),
        "row.not_assigned_so",
    ),
    (same("NONE", "update list_rows set variant = null where rank = 3"), "row.not_assigned_so"),
    (
        same("LIKELIER", "update list_rows set variant_propensity = 0.4 where rank = 3"),
        "row.not_assigned_so",
    ),
    (
        same(
            "SHARES",
            "update lists set variants = replace(variants, '\"share\":0.5', '\"share\":0.4')",
        ),
        "list.not_sealed_so",
    ),
    (same("NO_DRAW", "update lists set variants = null"), "list.not_sealed_so"),
    (
        same(
            "COUNTS",
            "update lists set variants = replace(variants, '\"fewest\":10', '\"fewest\":9')",
        ),
        "list.not_drawn_so",
    ),
    (
        same(
            "TEXT",
            "update campaigns set variants = replace(variants, 'nothing', 'much')
                           where variants is not null",
        ),
        "list.not_drawn_so",
    ),
];

#[tokio::test]
async fn what_is_forged_about_a_variant_is_denied() {
    on_both(|db| async move {
        let town = Town::new(db, 60, 0).await;
        let campaign = campaign(&town).await;
        let list = town.list(request(&town, &campaign, 20)).await.expect("built");
        let now = town.world.clock.now();
        for (what, says) in FORGERIES {
            let mut tx = town.world.db.begin().await.expect("begins");
            tx.execute(UNLOCK, values![]).await.expect("unlocked");
            assert_eq!(tx.execute(what, values![]).await.expect("obeys"), 1, "{}", what.name);
            let found = replay(&mut tx, &town.world.keys, SHOP, list.id, now, &|_, _| {}).await;
            let codes: Vec<&str> =
                found.expect("replays").denied.into_iter().map(|denial| denial.code).collect();
            assert!(codes.contains(&says), "{}: {says}: {codes:?}", what.name);
            tx.rollback().await;
        }
        assert!(town.replayed(&list).await.is_confirmed());
    })
    .await;
}

#[tokio::test]
async fn a_file_names_only_variants_that_its_list_offers() {
    on_both(|db| async move {
        let town = Town::new(db, 60, 0).await;
        let campaign = campaign(&town).await;
        let list = town.list(request(&town, &campaign, 20)).await.expect("built");
        let served = rows(&town, &list).await;
        let log = town.world.keys.log_verifier();
        for format in Format::ALL {
            let file = super::export::export(&town, list.id, format).await;
            let mut found = read(format, file.reopen().expect("opens")).expect("reads back");
            assert!(found.rows == served, "{}", format.name());
            assert_eq!(found.check(&log).denied, vec![], "{}", format.name());
            let draw = found.manifest.variants.clone().expect("said");
            let texts: Vec<&str> =
                draw.variants.iter().map(|offered| offered.message.title.as_str()).collect();
            assert_eq!(texts, ["New shoes", "Shoes, new"]);
            let other = Assigned { propensity: 0.25, ..given(&found.rows[3]) };
            found.rows[3].variant = Some(other);
            let codes: Vec<&str> =
                found.check(&log).denied.into_iter().map(|denied| denied.code).collect();
            assert_eq!(codes, ["export.digest", "row.not_sealed_so"]);
            found.rows.truncate(3);
            found.manifest.variants = None;
            let denied = found.check(&log).denied;
            let of_row =
                denied.iter().find(|denied| denied.rank == Some(1)).expect("the first row");
            assert_eq!(of_row.code, "row.not_assigned_so");
            assert!(denied.iter().any(|denied| denied.code == "list.not_sealed_so"));
        }
    })
    .await;
}

#[tokio::test]
async fn a_variant_is_checked_as_a_message_is() {
    on_both(|db| async move {
        let town = Town::new(db, 1, 0).await;
        let of = |variants| CampaignIn { variants, ..running_shoes() };
        let refused = async |wanted: CampaignIn| match make(&town, wanted).await {
            Err(AudienceError::Invalid { field, .. }) => field,
            Err(error) => error.code(),
            Ok(_) => "accepted",
        };
        let long = "x".repeat(1025);
        let other = |n: usize| text("Shoes", &format!("Pair {n}."));
        assert_eq!(refused(of(vec![other(1), text("Shoes", &long)])).await, "variants.1.text");
        assert_eq!(refused(of(vec![text("", "Light.")])).await, "variants.0.title");
        let no_language = Text { language: "english".to_owned(), ..other(1) };
        assert_eq!(refused(of(vec![no_language])).await, "variants.0.language");
        assert_eq!(refused(of(vec![other(1), other(1)])).await, "variants.1.text");
        assert_eq!(refused(of(vec![text("New shoes", "Light ones.")])).await, "variants.0.text");
        assert_eq!(refused(of((0..5).map(other).collect())).await, "variants");
        assert_eq!(refused(of((0..4).map(other).collect())).await, "accepted");

        let ill = text("Living with diabetes", "Insulin pens.");
        let mut unnamed = of(vec![ill.clone()]);
        unnamed.message.topics = None;
        unnamed.message.title = "Spring half marathon".to_owned();
        unnamed.message.text = "Runners of every pace are welcome at the half marathon.".to_owned();
        assert_eq!(refused(unnamed).await, "topic.sensitive");
        let named = make(&town, of(vec![ill])).await.expect("its topics are named");
        let found = crate::audience::topics::sensitive_of(&named);
        assert_eq!(found[0].topic, "health.conditions", "a reason to look twice");
        let mut tx = town.world.db.read().await.expect("begins");
        let kept = campaigns::find(&mut tx, SHOP, named.id).await.expect("kept");
        assert_eq!(kept, named);
    })
    .await;
    assert_eq!(K, 10, "the fewest that the forged counts name");
}
