//! What a business learns by asking how many it could reach, and what it cannot learn however it asks.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::town::{K, SHOP, Town};
use crate::audience::filter::Short;
use crate::audience::reach::{Answer, Rules, Told, ask};
use crate::audience::request::{self, RequestIn};
use crate::audience::summary::DryRun;
use crate::audience::{AudienceError, Exclusion, Filter, FilterIn, Waterfall};
use crate::clock::Clock as _;
use crate::db::testing::on_both;

impl Town {
    async fn ask(&self, countries: &[&str]) -> Result<Answer, AudienceError> {
        let countries: BTreeSet<_> = countries.iter().map(|code| (*code).to_owned()).collect();
        let filter = FilterIn::Short(Short { countries, ..Short::default() });
        let wanted = RequestIn { filter, ..self.request(20) };
        let mut tx = self.world.db.read().await.expect("begins");
        let begun = self.campaign.created_at;
        let checked = request::check(&mut tx, SHOP, wanted, &Self::rules(), begun).await;
        drop(tx);
        ask(&self.workshop(), &checked.expect("well-formed"), &mut self.rng()).await
    }
}

#[tokio::test]
async fn a_question_has_one_answer_a_day_and_costs_once() {
    on_both(|db| async move {
        let town = Town::new(db, 24, 0).await;
        let first = town.ask(&[]).await.expect("told");
        let next = town.world.clock.now().plus(Duration::from_hours(30 * 24)).day();
        assert_eq!((first.budget.asked, first.budget.of, first.budget.next_at), (1, 3, Some(next)));
        for _ in 0..5 {
            assert_eq!(town.ask(&[]).await.expect("told"), first, "noise cannot be averaged away");
        }
        let narrowed = town.ask(&["DE"]).await.expect("told");
        assert_eq!(narrowed.budget.asked, 2);
        let counted = |answer: &Answer| answer.told.excluded.iter().map(|(of, _)| *of).collect();
        let (all, some): (Vec<_>, Vec<_>) = (counted(&first), counted(&narrowed));
        assert!(!all.contains(&Exclusion::Filtered) && some.contains(&Exclusion::Filtered));

        town.world.clock.advance(Duration::from_hours(24));
        let tomorrow = town.ask(&[]).await.expect("told");
        assert_ne!(tomorrow.at, first.at);
        assert_eq!(tomorrow.budget.asked, 3);
        let spent = town.ask(&["FR"]).await.expect_err("refused");
        assert_eq!(spent.code(), "reach.spent");
        assert!(matches!(spent, AudienceError::ReachSpent { of: 3, seconds } if seconds > 0));
        assert_eq!(town.ask(&[]).await.expect("told again").told, tomorrow.told);

        town.world.clock.advance(Duration::from_hours(29 * 24));
        let later = town.ask(&["FR"]).await.expect("the first two no longer count");
        assert_eq!(later.budget.asked, 2);
    })
    .await;
}

#[tokio::test]
async fn a_group_that_looks_too_small_is_refused_and_nobody_is_none() {
    on_both(|db| async move {
        let town = Town::new(db, 24, 0).await;
        let nobody = town.ask(&["FR"]).await.expect("told");
        let everybody = Filter::check(&FilterIn::default()).expect("a filter");
        let told = |reached| {
            let told = Told { reached, ..nobody.told.clone() };
            DryRun::of(Answer { told, ..nobody.clone() }, (&everybody, 0.1), &Town::rules())
        };
        for few in [-5, 0, i64::from(K) - 1] {
            assert!(matches!(told(few), Err(AudienceError::TooSmall(10))), "{few}");
        }
        let enough = told(K.into()).expect("told");
        assert!(enough.waterfall.steps.iter().all(|step| step.excluded != Some(10)));
        // Nobody is of that country, and the answer has noise all the same.
        let margin = nobody.told.margin.cast_signed();
        assert!(margin > 0 && nobody.told.reached.abs() <= 10 * margin, "{:?}", nobody.told);
    })
    .await;
}

#[tokio::test]
async fn two_who_ask_the_same_at_once_get_one_answer() {
    on_both(|db| async move {
        let town = Town::new(db, 12, 0).await;
        let (one, other) = tokio::join!(town.ask(&[]), town.ask(&[]));
        let (one, other) = (one.expect("told"), other.expect("told"));
        assert_eq!(one, other);
        assert_eq!(one.budget.asked, 1);
    })
    .await;
}

/// How often somebody who knows all but one bit – whether one person is in the group – guesses it from
/// every answer the budget has, each to another question about that person. `answer` is what is told of
/// a group.
fn guesses(questions: u32, mut answer: impl FnMut(u64, &mut StdRng) -> f64) -> f64 {
    const TIMES: u32 = 2000;
    let mut rng = StdRng::seed_from_u64(11);
    let mut right = 0;
    for _ in 0..TIMES {
        let there = rng.random::<bool>();
        let mut sum = 0.0;
        for question in 0..questions {
            // Everybody else in each group is known.
            let others = 200 + u64::from(question);
            sum += answer(others + u64::from(there), &mut rng) - others as f64;
        }
        right += u32::from((sum / f64::from(questions) > 0.5) == there);
    }
    f64::from(right) / f64::from(TIMES)
}

fn defaults() -> Rules {
    let settings = crate::config::load(None, [], &[]).expect("the defaults are valid");
    Rules::from(&settings.lists)
}

#[test]
fn the_whole_budget_spent_on_one_person_does_not_find_them() {
    let rules = defaults();
    let told = |count, rng: &mut StdRng| {
        let exact = Waterfall { accounts: count, excluded: Vec::new(), listed: count };
        Told::of(&exact, true, rules, rng).reached as f64
    };
    let found = guesses(rules.questions, told);
    assert!(found < 0.65, "guessed right {found} of the time; a coin gets 0.5");
    let exact = guesses(rules.questions, |count, _| count as f64);
    assert!(exact > 0.99, "the attack works on exact counts: {exact}");
}
