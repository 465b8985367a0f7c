//! Bitmaps fit whom the slow path fits: the tree, evaluated on what is known about each account.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use volens_privacy::{AgeBand, AppId, BusinessId, SubjectId, Timestamp};

use super::evaluate::{Asked, Past, rows, topics};
use super::tests::expr;
use super::text;
use super::tree::{DAYS_MAX, Expr, Part};
use crate::ids::CampaignId;
use crate::relevance::{Known, Standing, Table};
use crate::signals::recent::day_of;
use crate::signals::{Kind, Observation, Profile, primary_language};

const SHOP: BusinessId = BusinessId::from_bytes([7; 16]);
const RIVAL: BusinessId = BusinessId::from_bytes([8; 16]);
const DAY: i64 = 86_400_000_000;

fn now() -> Timestamp {
    Timestamp::parse("2026-11-20T12:00:00Z").expect("a time")
}

/// Whether a filter fits an account; with `denied`, whether it does not.
fn fits(
    expr: &Expr,
    (subject, known): (SubjectId, &Known),
    asked: &Asked<'_>,
    denied: bool,
) -> bool {
    let part = |part: &Expr| fits(part, (subject, known), asked, denied);
    let leaf = |fits: bool| fits != denied;
    match expr {
        Expr::Not(inner) => fits(inner, (subject, known), asked, !denied),
        Expr::All(parts) if denied => parts.iter().any(part),
        Expr::All(parts) => parts.iter().all(part),
        Expr::Any(parts) if denied => parts.iter().all(part),
        Expr::Any(parts) => parts.iter().any(part),
        Expr::App(of) => leaf(of.contains(&known.app)),
        Expr::Country(of) => leaf(known.country.as_ref().is_some_and(|own| of.contains(own))),
        Expr::Language(of) => {
            let own = known.language.as_deref().and_then(primary_language);
            leaf(own.is_some_and(|own| of.contains(&own)))
        }
        Expr::Age(of) => leaf(of.contains(&known.age_band)),
        Expr::Topic(of) => {
            let likes = |topic| known.standing.as_ref().is_some_and(|own| own.likes(topic));
            leaf(topics(of).into_iter().any(likes))
        }
        Expr::Active(days) => {
            let last = known.standing.as_ref().and_then(Standing::last_day);
            leaf(last.is_some_and(|day| day >= asked.since(*days)))
        }
        Expr::Did { kind, target, at_least, days } => {
            let times = |about| known.recent.since(*kind, about, asked.since(*days));
            let times: u32 = asked.about(target).iter().map(times).sum();
            known.counted && leaf(times >= (*at_least).into())
        }
        Expr::Campaign(part, of) => {
            leaf(asked.part_of(*part, of).is_some_and(|people| people.contains(&subject)))
        }
    }
}

const ACTS: &[Kind] = &[Kind::Bought, Kind::Hid];

#[derive(Clone, Debug)]
struct Somebody {
    app: bool,
    country: Option<usize>,
    language: Option<usize>,
    band: usize,
    counted: bool,
    denies: bool,
    acts: Vec<(usize, usize, usize, i64)>,
}

fn somebody() -> impl Strategy<Value = Somebody> {
    let acts = prop::collection::vec((0..2_usize, 0..6_usize, 0..3_usize, 0..40_i64), 0..12);
    let about = (prop::option::of(0..3_usize), prop::option::of(0..3_usize), 0..8_usize);
    (any::<bool>(), about, any::<bool>(), any::<bool>(), acts).prop_map(
        |(app, (country, language, band), counted, denies, acts)| Somebody {
            app,
            country,
            language,
            band,
            counted,
            denies,
            acts,
        },
    )
}

impl Somebody {
    fn known(&self) -> Known {
        let mut profile = Profile::default();
        for (kind, about, business, days) in &self.acts {
            let topics: &[&str] = [
                &[][..],
                &["sport"],
                &["sport.running"],
                &["fashion.shoes"],
                &["home", "sport"],
                &["fashion", "fashion.shoes"],
            ][*about];
            let seen = Observation {
                kind: ACTS[*kind],
                topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
                business: [None, Some(SHOP), Some(RIVAL)][*business],
                at: Timestamp::from_micros(now().micros() - days * DAY),
            };
            profile.observe(&seen);
            if self.counted {
                profile.count_by_day(&seen);
            }
        }
        if self.denies {
            profile.deny(["sport".to_owned()]);
        }
        let recent = profile.recent().counts().clone();
        Known {
            app: AppId::parse(if self.app { "messenger" } else { "photos" }).expect("an app"),
            language: self.language.map(|at| ["en", "de", "de-AT"][at].to_owned()),
            country: self.country.map(|at| ["IE", "GB", "IN"][at].to_owned()),
            age_band: AgeBand::ALL[self.band],
            frozen: false,
            objects: false,
            live: Vec::new(),
            standing: (!self.acts.is_empty()).then(|| Standing::of(&profile)),
            counted: self.counted,
            recent: recent.without(|topic| profile.denies(topic)),
        }
    }
}

fn who(number: usize) -> SubjectId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    SubjectId::from_bytes(bytes)
}

proptest! {
    /// People come, change and go; after each change the bitmaps fit whom the slow path fits.
    #[test]
    fn bitmaps_fit_whom_the_slow_path_fits(
        changes in prop::collection::vec((0..12_usize, prop::option::weighted(0.9, somebody())), 1..40),
        members in prop::collection::vec((0..3_usize, 0..3_u8, 0..12_usize), 0..12),
        exprs in prop::collection::vec(expr(ACTS, DAYS_MAX), 1..8),
    ) {
        let (mut table, mut people) = (Table::default(), BTreeMap::new());
        for (number, somebody) in &changes {
            let known = somebody.as_ref().map(Somebody::known);
            table.set(who(*number), known.as_ref());
            match known {
                Some(known) => drop(people.insert(who(*number), known)),
                None => drop(people.remove(&who(*number))),
            }
        }
        for (subject, known) in &people {
            let row = table.row(*subject).expect("a row");
            prop_assert!(table.known(row).is_some_and(|held| held.recent == known.recent));
        }
        for expr in exprs {
            let past = past(&expr, &members);
            let asked = Asked { business: SHOP, past: &past, now: now() };
            let found = rows(&expr, &table, &asked, table.accounts(), false);
            let found: BTreeSet<SubjectId> =
                found.iter().filter_map(|row| table.subject(row)).collect();
            let fitting = people.iter().filter(|(subject, known)| {
                fits(&expr, (**subject, known), &asked, false)
            });
            let expected: BTreeSet<SubjectId> = fitting.map(|(subject, _)| *subject).collect();
            prop_assert_eq!(&found, &expected, "{}", expr.clone());
            let normal = rows(&expr.clone().normal(), &table, &asked, table.accounts(), false);
            let normal: BTreeSet<SubjectId> =
                normal.iter().filter_map(|row| table.subject(row)).collect();
            prop_assert_eq!(&normal, &expected, "its one form says the same: {}", expr);
        }
    }
}

/// Who was part of what the filter asks about: `members` says part, campaign and who.
fn past(expr: &Expr, members: &[(usize, u8, usize)]) -> Past {
    let mut past = Past::new();
    let mut note = |part: Part, of: &BTreeSet<CampaignId>| {
        let among =
            |campaign: u8| of.is_empty() || of.contains(&CampaignId::from_bytes([campaign; 16]));
        let of_part =
            members.iter().filter(|(was, campaign, _)| Part::ALL[*was] == part && among(*campaign));
        past.insert((part, of.clone()), of_part.map(|(.., number)| who(*number)).collect());
    };
    // Both forms are asked for: conditions are joined in the one form.
    for expr in [expr.clone(), expr.clone().normal()] {
        expr.visit(&mut |part| {
            if let Expr::Campaign(part, of) = part {
                note(*part, of);
            }
        });
    }
    past
}

#[test]
fn who_is_not_counted_by_day_is_in_no_group_about_days() {
    let mut table = Table::default();
    let acts = vec![(0, 2, 1, 1)];
    let somebody = Somebody {
        app: true,
        country: Some(0),
        language: None,
        band: 3,
        counted: true,
        denies: false,
        acts,
    };
    table.set(who(1), Some(&somebody.known()));
    table.set(who(2), Some(&Somebody { counted: false, ..somebody.clone() }.known()));
    table.set(who(3), Some(&Somebody { acts: Vec::new(), ..somebody }.known()));
    let past = Past::new();
    let asked = Asked { business: SHOP, past: &past, now: now() };
    let found = |text: &str| {
        let expr = text::read(text).expect("reads");
        let found = rows(&expr, &table, &asked, table.accounts(), false);
        found.iter().filter_map(|row| table.subject(row)).collect::<Vec<_>>()
    };
    assert_eq!(found("bought us within 3 days"), [who(1)]);
    assert_eq!(found("not bought us within 3 days"), [who(3)]);
    assert_eq!(found("not (bought us within 3 days or country GB)"), [who(3)]);
    assert_eq!(found("not bought us >= 2 within 3 days"), [who(1), who(3)]);
    assert_eq!(found("active within 1 day"), [who(1), who(2)]);
    assert_eq!(
        day_of(now()) - 1,
        table.known(0).and_then(|known| known.standing?.last_day()).unwrap_or(0)
    );
}
