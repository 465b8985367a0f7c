//! Off-policy estimates where the truth is known: unbiased, with intervals that hold it as often as they say,
//! from as many people as they say, and silent where nothing can be known.

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use volens_models::offpolicy::{Estimate, Evidence, FEWEST, Logged, Rate, Target, Unknown};

/// Five kinds of people: how often they respond with a message and without.
const WITH: [f64; 5] = [0.10, 0.15, 0.25, 0.35, 0.50];
const WITHOUT: [f64; 5] = [0.08, 0.10, 0.20, 0.22, 0.25];
/// How many of each kind were in earlier campaigns, and on the list.
const BEFORE: [usize; 5] = [5, 4, 3, 3, 2];
const LISTED: [usize; 5] = [1, 2, 3, 4, 5];
/// How probable it was that somebody of a kind was kept aside: it differed between campaigns.
const ASIDE: [f64; 5] = [0.5, 0.4, 0.4, 0.3, 0.4];
/// What a model that knows nothing predicts for everybody.
const IGNORANT: [f64; 5] = [0.3; 5];

fn kinds(shares: [usize; 5]) -> impl Iterator<Item = usize> + Clone {
    (0..5).flat_map(move |kind| std::iter::repeat_n(kind, shares[kind]))
}

/// Earlier campaigns of `times` seventeen people with `each` exposures, which all went alike.
fn campaigns(times: usize, each: usize, predicted: [f64; 5], rng: &mut StdRng) -> Vec<Logged> {
    let mut logged = Vec::new();
    for (person, kind) in (0..times).flat_map(|_| kinds(BEFORE)).enumerate() {
        let sent = !rng.random_bool(ASIDE[kind]);
        let met = rng.random_bool(if sent { WITH[kind] } else { WITHOUT[kind] });
        let propensity = if sent { 1.0 - ASIDE[kind] } else { ASIDE[kind] };
        let (place, predicted) = (WITH[kind], predicted[kind]);
        let one = Logged { person, place, unseen: place, sent, propensity, met, predicted };
        logged.extend(std::iter::repeat_n(one, each));
    }
    logged
}

fn list(predicted: [f64; 5]) -> Vec<Target> {
    let row = |kind| Target { place: WITH[kind], with: predicted[kind], without: predicted[kind] };
    kinds(LISTED).map(row).collect()
}

/// The mean over the list.
fn truth(of: [f64; 5]) -> f64 {
    kinds(LISTED).map(|kind| of[kind]).sum::<f64>() / kinds(LISTED).count() as f64
}

/// Mean of the estimates, its standard error, and how often an interval held the truth.
fn draws(count: u64, truth: f64, mut draw: impl FnMut(&mut StdRng) -> Rate) -> (f64, f64, f64) {
    let rates: Vec<Rate> = (0..count).map(|seed| draw(&mut StdRng::seed_from_u64(seed))).collect();
    let count = count as f64;
    let mean = rates.iter().map(|rate| rate.mean).sum::<f64>() / count;
    let spread = rates.iter().map(|rate| (rate.mean - mean).powi(2)).sum::<f64>() / count;
    let held = |rate: &&Rate| (rate.interval.low..=rate.interval.high).contains(&truth);
    let held = rates.iter().filter(held).count() as f64 / count;
    (mean, (spread / count).sqrt(), held)
}

fn effects() -> [f64; 5] {
    std::array::from_fn(|kind| WITH[kind] - WITHOUT[kind])
}

type Ask = fn(&Evidence, &[Target], f64) -> Result<Estimate, Unknown>;

#[test]
fn over_many_draws_estimates_are_right_on_average_and_intervals_hold_the_truth_as_often_as_they_say()
 {
    let asks: [(Ask, f64); 2] =
        [(Evidence::reached, truth(WITH)), (Evidence::increase, truth(effects()))];
    for (ask, truth) in asks {
        for rate in [|of: Estimate| of.snips, |of: Estimate| of.doubly_robust] {
            let (mean, error, held) = draws(500, truth, |rng| {
                // The predictions are wrong: the weights alone make it right.
                let evidence = Evidence::of(&campaigns(100, 1, IGNORANT, rng)).expect("enough");
                rate(ask(&evidence, &list(IGNORANT), 0.0).expect("known"))
            });
            assert!((mean - truth).abs() < 3.5 * error, "{mean} is not {truth} ± {error}");
            assert!((0.925..=0.975).contains(&held), "{held} of the intervals hold the truth");
        }
    }
}

#[test]
fn what_was_seen_before_is_weighed_up_to_what_the_list_is() {
    let mut rng = StdRng::seed_from_u64(1);
    let logged = campaigns(200, 1, IGNORANT, &mut rng);
    let sent = || logged.iter().filter(|one| one.sent);
    let unweighed = sent().filter(|one| one.met).count() as f64 / sent().count() as f64;
    let evidence = Evidence::of(&logged).expect("enough");
    let estimate = evidence.reached(&list(IGNORANT), FEWEST).expect("known");
    assert!(truth(WITH) - unweighed > 0.05, "{unweighed}");
    assert!((estimate.snips.mean - truth(WITH)).abs() < 0.03, "{estimate:?}");
}

#[test]
fn predictions_that_are_right_make_up_for_bands_that_are_too_wide() {
    // Exposures between 0 and 1.1 in one or two bands; all of the list at the upper end of the upper one.
    let rate = |place: f64| 0.1 + 0.5 * place;
    let list: Vec<Target> = (0..100)
        .map(|at| {
            let place = 0.801 + 0.002 * f64::from(at);
            Target { place, with: rate(place), without: rate(place) }
        })
        .collect();
    let truth = rate(0.9);
    let off = |pick: fn(Estimate) -> Rate| {
        let (mean, error, _) = draws(400, truth, |rng| {
            let logged: Vec<Logged> = (0..230)
                .map(|person| {
                    let (place, sent) = (rng.random_range(0.0..1.1), rng.random_bool(0.5));
                    let (predicted, propensity) = (rate(place), 0.5);
                    let met = rng.random_bool(predicted);
                    Logged { person, place, unseen: place, sent, propensity, met, predicted }
                })
                .collect();
            let evidence = Evidence::of(&logged).expect("enough");
            pick(evidence.reached(&list, 0.0).expect("known"))
        });
        (mean - truth) / error
    };
    let (robust, alone) = (off(|of| of.doubly_robust), off(|of| of.snips));
    assert!(robust.abs() < 3.5, "{robust} standard errors off");
    assert!(alone < -5.0, "bands alone are too wide: {alone}");
}

#[test]
fn exposures_of_one_person_count_as_one() {
    let mut rng = StdRng::seed_from_u64(2);
    let logged = campaigns(150, 1, IGNORANT, &mut rng);
    let repeated: Vec<Logged> =
        logged.iter().flat_map(|one| std::iter::repeat_n(*one, 5)).collect();
    let of = |logged: &[Logged]| {
        let evidence = Evidence::of(logged).expect("enough");
        evidence.increase(&list(IGNORANT), 0.0).expect("known")
    };
    let (once, five) = (of(&logged), of(&repeated));
    assert!((once.effective / five.effective - 1.0).abs() < 1e-9, "{once:?} {five:?}");
    let width = |of: &Estimate| of.snips.interval.high - of.snips.interval.low;
    assert!((width(&once) / width(&five) - 1.0).abs() < 0.02, "{once:?} {five:?}");
    let (mean, error, held) = draws(400, truth(WITH), |rng| {
        let evidence = Evidence::of(&campaigns(120, 5, IGNORANT, rng)).expect("enough");
        evidence.reached(&list(IGNORANT), 0.0).expect("known").snips
    });
    assert!((mean - truth(WITH)).abs() < 3.5 * error);
    assert!((0.92..=0.98).contains(&held), "{held} of the intervals hold the truth");
}

proptest! {
    #[test]
    fn the_effective_sample_size_is_the_square_of_the_sum_over_the_sum_of_squares(
        seed in any::<u64>(),
        listed in [1_usize..40, 1_usize..40, 1_usize..40, 1_usize..40, 1_usize..40],
    ) {
        let mut rng = StdRng::seed_from_u64(seed);
        let logged = campaigns(150, 1, IGNORANT, &mut rng);
        let rows: Vec<Target> = kinds(listed)
            .map(|kind| Target { place: WITH[kind], with: 0.0, without: 0.0 })
            .collect();
        let estimate = Evidence::of(&logged).expect("enough").reached(&rows, 0.0).expect("known");
        // The kinds are the bands here, so weights are those of the textbook: shares over shares over propensity.
        let kind = |one: &Logged| WITH.iter().position(|rate| rate.total_cmp(&one.place).is_eq()).expect("a kind");
        let sent: Vec<&Logged> = logged.iter().filter(|one| one.sent).collect();
        let of_kind = |wanted| -> f64 {
            let of = sent.iter().filter(|one| kind(one) == wanted);
            of.map(|one| 1.0 / one.propensity).sum()
        };
        let totals: Vec<f64> = (0..5).map(of_kind).collect();
        let weights: Vec<f64> = sent
            .iter()
            .map(|one| listed[kind(one)] as f64 / totals[kind(one)] / one.propensity)
            .collect();
        let sum: f64 = weights.iter().sum();
        let squares: f64 = weights.iter().map(|weight| weight * weight).sum();
        prop_assert!((estimate.effective / (sum * sum / squares) - 1.0).abs() < 1e-9);
        let met = sent.iter().zip(&weights).filter(|(one, _)| one.met).map(|(_, weight)| weight);
        prop_assert!((estimate.snips.mean - met.sum::<f64>() / sum).abs() < 1e-9);
    }

    #[test]
    fn where_nobody_was_nothing_is_told(shift in 0.02_f64..10.0, below in any::<bool>()) {
        let mut rng = StdRng::seed_from_u64(3);
        let evidence = Evidence::of(&campaigns(200, 1, IGNORANT, &mut rng)).expect("enough");
        let place = if below { WITH[0] - shift } else { WITH[4] + shift };
        let there = vec![Target { place: WITH[2], with: 0.2, without: 0.1 }; 88];
        let elsewhere = vec![Target { place, with: 0.2, without: 0.1 }; 12];
        prop_assert!(evidence.reached(&there, FEWEST).is_ok());
        let mixed = [there, elsewhere.clone()].concat();
        for list in [mixed, elsewhere, Vec::new()] {
            prop_assert_eq!(evidence.reached(&list, 0.0), Err(Unknown::Overlap));
            prop_assert_eq!(evidence.increase(&list, 0.0), Err(Unknown::Overlap));
        }
    }
}

#[test]
fn what_was_not_drawn_tells_nothing() {
    let mut rng = StdRng::seed_from_u64(4);
    let drawn = campaigns(100, 1, IGNORANT, &mut rng);
    let certain: Vec<Logged> =
        drawn.iter().map(|one| Logged { propensity: 1.0, met: true, ..*one }).collect();
    assert_eq!(Evidence::of(&certain), Err(Unknown::Exposures));
    assert_eq!(Evidence::of(&[certain, drawn.clone()].concat()), Evidence::of(&drawn));
    let sent: Vec<Logged> = drawn.iter().copied().filter(|one| one.sent).collect();
    assert_eq!(Evidence::of(&sent), Err(Unknown::Exposures), "nobody was kept aside");
}

#[test]
fn with_fewer_than_two_hundred_people_like_these_no_number_is_told() {
    let mut rng = StdRng::seed_from_u64(5);
    let ask = |times, rng: &mut StdRng| {
        let evidence = Evidence::of(&campaigns(times, 1, IGNORANT, rng)).expect("enough");
        let exact = evidence.reached(&list(IGNORANT), 0.0).expect("known").effective;
        (exact, evidence.reached(&list(IGNORANT), FEWEST))
    };
    let (mut told, mut kept) = (0, 0);
    for times in 10..60 {
        let (effective, answer) = ask(times, &mut rng);
        match answer {
            Ok(estimate) => assert!(estimate.effective >= 200.0),
            Err(error) => assert_eq!((error, effective < 200.0), (Unknown::Sample, true)),
        }
        *if effective < 200.0 { &mut kept } else { &mut told } += 1;
    }
    assert!(told > 10 && kept > 10, "{told} told, {kept} kept back");
}

#[test]
fn where_hardly_anybody_reached_the_goal_no_number_is_told() {
    let mut rng = StdRng::seed_from_u64(6);
    let mut logged = campaigns(200, 1, IGNORANT, &mut rng);
    logged.iter_mut().filter(|one| !one.sent).for_each(|one| one.met = false);
    let evidence = Evidence::of(&logged).expect("enough");
    assert!(evidence.reached(&list(IGNORANT), FEWEST).is_ok());
    let increase = evidence.increase(&list(IGNORANT), FEWEST);
    assert_eq!(increase, Err(Unknown::Outcomes), "of those kept aside nothing is on record");
}

#[test]
fn an_unseen_place_and_a_seen_one_mean_the_same() {
    // The model in use sees further than those that have not seen the person: what it places at 0.6 they
    // place at 0.55.
    let mut rng = StdRng::seed_from_u64(7);
    let mut logged = campaigns(200, 1, IGNORANT, &mut rng);
    let as_they_are = Evidence::of(&logged).expect("enough");
    for one in &mut logged {
        one.unseen = 0.3 + 0.5 * (one.place - 0.3);
    }
    assert_eq!(Evidence::of(&logged).expect("enough"), as_they_are);
}

#[test]
fn evidence_survives_a_file_and_is_refused_where_a_part_is_missing() {
    let mut rng = StdRng::seed_from_u64(8);
    let evidence = Evidence::of(&campaigns(200, 1, IGNORANT, &mut rng)).expect("enough");
    let text = serde_json::to_string(&evidence).expect("numbers");
    let back: Evidence = serde_json::from_str(&text).expect("reads back");
    assert!(back == evidence && back.is_sound());
    let mut value = serde_json::to_value(&evidence).expect("numbers");
    let weights = value["sent"]["weights"].as_array_mut().expect("rows");
    weights.pop();
    let cut: Evidence = serde_json::from_value(value).expect("reads");
    assert!(!cut.is_sound());
}

#[test]
fn a_list_states_its_places_to_six_decimals_and_means_those_of_before() {
    let logged = campaigns(100, 1, WITH, &mut StdRng::seed_from_u64(1));
    let exact = Evidence::of(&logged).expect("enough").increase(&list(WITH), 0.0);
    for beyond in [4e-7, -4e-7] {
        let logged: Vec<Logged> = logged
            .iter()
            .map(|one| Logged { place: one.place + beyond, unseen: one.unseen + beyond, ..*one })
            .collect();
        let evidence = Evidence::of(&logged).expect("enough");
        assert_eq!(evidence.increase(&list(WITH), 0.0), exact, "{beyond}");
    }
}

#[test]
fn whoever_is_placed_in_a_gap_is_taken_for_the_nearer_ones() {
    let logged = campaigns(100, 1, WITH, &mut StdRng::seed_from_u64(1));
    let evidence = Evidence::of(&logged).expect("enough");
    let exact = evidence.increase(&list(WITH), 0.0);
    for beside in [0.02, -0.02] {
        let mut list = list(WITH);
        // The lowest and the highest stay within what is known.
        let inner = list.iter_mut().filter(|row| row.place > WITH[0] && row.place < WITH[4]);
        inner.for_each(|row| row.place += beside);
        assert_eq!(evidence.increase(&list, 0.0), exact, "{beside}");
    }
}
