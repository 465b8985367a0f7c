//! The bandit: its probabilities, its floor, and what comes of many lists that it divides.

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use volens_models::bandit::{Beta, EXPLORED, Group, Known, best, pick, shares};

fn group(variant: usize, propensity: f64, people: u64, met: u64, harmed: u64) -> Group {
    Group { variant, propensity, people, met, harmed }
}

fn known(variants: usize, groups: &[Group]) -> Vec<Known> {
    (0..variants).map(|variant| Known::of(variant, groups)).collect()
}

/// At what rates the people of a variant really reach the goal and complain.
#[derive(Clone, Copy)]
struct Truth {
    goal: f64,
    harm: f64,
}

/// What came of some lists in turn: goals reached in all, and the shares of the list after them.
struct Run {
    reached: u64,
    shares: Vec<f64>,
}

fn run(truth: &[Truth], lists: usize, people: usize, seed: u64) -> Run {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut groups: Vec<Group> = Vec::new();
    let mut now = shares(&known(truth.len(), &groups));
    for _ in 0..lists {
        let mut list: Vec<Group> =
            (0..truth.len()).map(|variant| group(variant, now[variant], 0, 0, 0)).collect();
        for _ in 0..people {
            let one = &mut list[pick(&now, rng.random())];
            one.people += 1;
            one.met += u64::from(rng.random::<f64>() < truth[one.variant].goal);
            one.harmed += u64::from(rng.random::<f64>() < truth[one.variant].harm);
        }
        groups.extend(list);
        now = shares(&known(truth.len(), &groups));
    }
    Run { reached: groups.iter().map(|group| group.met).sum(), shares: now }
}

const fn goal(goal: f64) -> Truth {
    Truth { goal, harm: 0.001 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn probabilities_sum_to_one_and_no_share_is_below_the_floor(
        counts in proptest::collection::vec((1_u64..5000, 0.0..1.0_f64, 0.0..0.2_f64, 0.04..1.0_f64), 2..6),
    ) {
        let part = |of: u64, share: f64| (of as f64 * share) as u64;
        let groups: Vec<Group> = counts
            .iter()
            .enumerate()
            .map(|(variant, (people, met, harmed, p))| {
                group(variant, *p, *people, part(*people, *met), part(*people, *harmed))
            })
            .collect();
        let known = known(groups.len(), &groups);
        let best = best(&known);
        prop_assert!((best.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        prop_assert!(best.iter().all(|chance| (0.0..=1.0).contains(chance)));
        let shares = shares(&known);
        let millionths: Vec<i64> = shares.iter().map(|share| (share * 1e6).round() as i64).collect();
        prop_assert_eq!(millionths.iter().sum::<i64>(), 1_000_000);
        let floor = (EXPLORED / shares.len() as f64 * 1e6).round() as i64;
        prop_assert!(millionths.iter().all(|share| *share >= floor));
        prop_assert_eq!(shares, volens_models::bandit::shares(&known), "the same from the same");
    }

    #[test]
    fn a_coin_falls_on_each_variant_as_often_as_its_share(first in 1_u32..999_999, coin in 0.0..1.0_f64) {
        let share = f64::from(first) / 1e6;
        let shares = [share, 1.0 - share];
        prop_assert_eq!(pick(&shares, coin), usize::from((coin * 1e6).floor() >= f64::from(first)));
        prop_assert_eq!((pick(&shares, 0.0), pick(&shares, 1.0 - f64::EPSILON)), (0, 1));
    }
}

#[test]
fn without_evidence_everybody_is_as_likely() {
    for variants in 2..6 {
        let shares = shares(&known(variants, &[]));
        let even = 1.0 / variants as f64;
        assert!(shares.iter().all(|share| (share - even).abs() < 1e-5), "{shares:?}");
    }
}

/// Known values: quantiles of Beta(3, 19) and Beta(1, 101) (SciPy 1.17, `beta.ppf`); the second is also
/// `1 − (1 − p)^(1/101)`.
#[test]
fn intervals_are_those_of_the_beta_distribution() {
    let close = |a: f64, b: f64| assert!((a - b).abs() < 2e-4, "{a} {b}");
    let few = Beta::after(2.0, 20.0).interval();
    close(few.low, 0.030_49);
    close(few.high, 0.303_77);
    let none = Beta::after(0.0, 100.0).interval();
    close(none.low, 1.0 - 0.975_f64.powf(1.0 / 101.0));
    close(none.high, 1.0 - 0.025_f64.powf(1.0 / 101.0));
}

/// The probability that Beta(a, b) exceeds Beta(c, d), by its closed sum (Miller 2015), against ours.
#[test]
fn how_probable_it_is_to_be_best_agrees_with_the_closed_formula() {
    let groups = [group(0, 0.5, 100, 10, 0), group(1, 0.5, 100, 16, 0)];
    let ours = best(&known(2, &groups))[1];
    let ln_beta = |a: u32, b: u32| {
        let ln_factorial = |n: u32| (1..=n).map(|k| f64::from(k).ln()).sum::<f64>();
        ln_factorial(a - 1) + ln_factorial(b - 1) - ln_factorial(a + b - 1)
    };
    let (a, b, c, d) = (11, 91, 17, 85);
    let sum = |i: u32| {
        (ln_beta(a + i, b + d) - ln_beta(1 + i, d) - ln_beta(a, b)).exp() / f64::from(d + i)
    };
    let closed: f64 = (0..c).map(sum).sum();
    // No harm was seen of either, which blurs the goal a little.
    assert!((ours - closed).abs() < 0.01, "{ours} {closed}");
}

#[test]
fn the_better_variant_gets_far_more_than_its_equal_share_and_the_others_keep_the_floor() {
    for seed in 0..10 {
        let truth = [goal(0.05), goal(0.10), goal(0.05)];
        let shares = run(&truth, 6, 1000, seed).shares;
        assert!(shares[1] > 0.8, "seed {seed}: {shares:?}");
        let floor = EXPLORED / 3.0 - 1e-6;
        assert!(shares.iter().all(|share| *share >= floor), "{shares:?}");
    }
}

#[test]
fn more_is_reached_than_by_an_equal_split() {
    let (rates, lists, people) = ([0.04, 0.08], 8, 1000);
    let reached: u64 = (0..20).map(|seed| run(&rates.map(goal), lists, people, seed).reached).sum();
    let of = (20 * lists * people) as f64;
    let (equal, most) = (of * 0.06, of * 0.08);
    let regret = (most - reached as f64) / (most - equal);
    assert!(regret < 0.45, "{regret} of the regret of an equal split");
}

#[test]
fn equal_variants_are_not_locked_in() {
    let runs: Vec<Run> = (0..40).map(|seed| run(&[goal(0.05); 2], 10, 500, seed)).collect();
    let first = runs.iter().map(|run| run.shares[0]).sum::<f64>() / runs.len() as f64;
    assert!((first - 0.5).abs() < 0.15, "neither is preferred on the whole: {first}");
    let floor = EXPLORED / 2.0 - 1e-6;
    assert!(runs.iter().all(|run| run.shares.iter().all(|share| *share >= floor)));
    // Whoever begins unluckily comes back: later lists go on showing it.
    let mut groups = vec![group(0, 0.5, 250, 3, 0), group(1, 0.5, 250, 22, 0)];
    let before = shares(&known(2, &groups))[0];
    assert!(before < 0.12, "{before}");
    groups.extend([group(0, 0.1, 1000, 50, 0), group(1, 0.9, 9000, 450, 0)]);
    assert!(shares(&known(2, &groups))[0] > before + 0.05);
}

#[test]
fn what_many_complain_about_is_not_preferred() {
    let truth = [Truth { goal: 0.06, harm: 0.002 }, Truth { goal: 0.08, harm: 0.06 }];
    for seed in 0..10 {
        let shares = run(&truth, 6, 1500, seed).shares;
        assert!(shares[0] > 0.8, "seed {seed}: {shares:?}");
    }
}

/// The second list goes to less willing people, and nine in ten of them get what did better in the first. In
/// plain counts it then looks worse.
#[test]
fn a_list_of_less_willing_people_does_not_count_against_what_it_mostly_got() {
    let groups = [
        group(0, 0.5, 1000, 200, 0),
        group(1, 0.5, 1000, 240, 0),
        group(0, 0.1, 1000, 40, 0),
        group(1, 0.9, 9000, 450, 0),
    ];
    let plain = |variant: usize| {
        let own = groups.iter().filter(|group| group.variant == variant);
        let (met, people) = own.fold((0, 0), |sum, one| (sum.0 + one.met, sum.1 + one.people));
        met as f64 / people as f64
    };
    assert!(plain(0) > plain(1));
    let known = known(2, &groups);
    assert!(known[1].goal.mean() > known[0].goal.mean());
    assert!(shares(&known)[1] > 0.6);
}

#[test]
fn weights_are_right_on_average_over_lists_that_differ() {
    let mut rng = StdRng::seed_from_u64(3);
    let mut off = 0.0;
    for _ in 0..200 {
        let mut groups = Vec::new();
        for (share, rate) in [(0.5, 0.2), (0.9, 0.05)] {
            let shares = [share, 1.0 - share];
            let mut list = [group(0, shares[0], 0, 0, 0), group(1, shares[1], 0, 0, 0)];
            for _ in 0..1000 {
                let one = &mut list[pick(&shares, rng.random())];
                one.people += 1;
                one.met += u64::from(rng.random::<f64>() < rate);
            }
            groups.extend(list);
        }
        let known = known(2, &groups);
        off += known[0].goal.mean() - known[1].goal.mean();
    }
    assert!((off / 200.0).abs() < 0.005, "{off}");
}
