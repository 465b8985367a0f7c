//! What was sent before the town knew Volens, and who followed it: something to learn from.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;
use rand::RngExt as _;
use rand::rngs::StdRng;
use volens_models::features::Message;
use volens_privacy::identity::{AppId, BusinessId, SubjectId};
use volens_privacy::purpose::Relevance;
use volens_privacy::{AccountTag, Consents, Timestamp};

use super::seed::{DAY, Town};
use super::world::{APPS, Person, SHOPS, Shop};
use crate::app::App;
use crate::db::Tx;
use crate::identity::PermittedLink;
use crate::ids::ExposureId;
use crate::relevance::features::{Lender, of_pair};
use crate::relevance::{Exposure, Occasion, OutcomeKind, record_exposures, record_met};
use crate::signals::Profile;
use crate::{accounts, consent, identity, signals};

/// People whom each message was shown to, as far as they consent to being ranked.
const SEEN_BY: usize = 260;

/// Every shop's message at `at`, to people picked at random, and what they made of it.
///
/// Everything is drawn in the order of the people's numbers: ids are new in every run, and the town
/// is to be the same.
pub(super) async fn show_messages(
    app: &App,
    town: &mut Town,
    rng: &mut StdRng,
    at: Timestamp,
) -> Result<()> {
    let count = town.people.len();
    let seen: Vec<BTreeSet<usize>> =
        SHOPS.iter().map(|_| (0..SEEN_BY).map(|_| rng.random_range(0..count)).collect()).collect();
    let mut tx = app.db.begin().await?;
    let everyone = seen.iter().flatten().copied().collect();
    let moment = Moment::read(app, &mut tx, &town.people, &everyone, at).await?;
    let (mut exposures, mut followed) = (Vec::new(), Vec::new());
    for ((shop, (business, _)), seen) in SHOPS.iter().zip(&town.shops).zip(seen) {
        for number in seen {
            let id = ExposureId::random(rng);
            let Some(exposure) = moment.exposure(number, shop, *business, id) else { continue };
            let chance = town.people[number].response(shop.topics, shop.language);
            followed.push(rng.random::<f64>() < chance);
            if followed.last() == Some(&true) {
                *town.counts.clicks.entry(shop.name).or_default() += 1;
            }
            exposures.push(exposure);
        }
    }
    record_exposures(&mut tx, &app.keys, &exposures, &mut app.rng()).await?;
    let met = exposures.iter().zip(&followed).filter(|(_, followed)| **followed);
    let clicked = at.plus(Duration::from_hours(2));
    let met = met.map(|(exposure, _)| (exposure, OutcomeKind::Click, clicked, None));
    record_met(&mut tx, met).await?;
    tx.commit().await?;
    town.counts.exposures += exposures.len() as u64;
    Ok(())
}

/// What is known at one moment of the people who see a message, and of whoever lends to them.
struct Moment<'a> {
    people: &'a [Person],
    messenger: AppId,
    at: Timestamp,
    /// When the consents are looked at.
    now: Timestamp,
    subjects: BTreeMap<usize, SubjectId>,
    links: BTreeMap<SubjectId, Vec<PermittedLink>>,
    consents: BTreeMap<SubjectId, Consents>,
    profiles: BTreeMap<SubjectId, Profile>,
}

impl<'a> Moment<'a> {
    async fn read(
        app: &App,
        tx: &mut Tx,
        people: &'a [Person],
        numbers: &BTreeSet<usize>,
        at: Timestamp,
    ) -> Result<Self> {
        let messenger = AppId::parse(APPS[0].0)?;
        let tag = |number: &usize| app.keys.account_tag(&messenger, &people[*number].reference(0));
        let tags: BTreeMap<usize, AccountTag> = numbers.iter().map(|n| (*n, tag(n))).collect();
        let found = accounts::subjects_of(tx, &messenger, tags.values().copied()).await?;
        let subjects: BTreeMap<usize, SubjectId> =
            tags.iter().filter_map(|(number, tag)| Some((*number, *found.get(tag)?))).collect();
        let own: Vec<SubjectId> = subjects.values().copied().collect();
        let now = app.now();
        let links = identity::permitted_links(tx, &app.keys, &own, now).await?;
        let lenders = links.values().flatten().map(|link| link.peer);
        let all: BTreeSet<SubjectId> = own.iter().copied().chain(lenders).collect();
        let all: Vec<SubjectId> = all.into_iter().collect();
        let consents = consent::consents_of(tx, &app.keys, &all).await?;
        let profiles = signals::profiles(tx, &app.keys, &all).await?;
        Ok(Self { people, messenger, at, now, subjects, links, consents, profiles })
    }

    /// The message of `shop` as this person saw it; nothing without a consent to being ranked.
    fn exposure(
        &self,
        number: usize,
        shop: &Shop,
        business: BusinessId,
        id: ExposureId,
    ) -> Option<Exposure> {
        let Self { consents, profiles, at, now, .. } = self;
        let subject = self.subjects.get(&number)?;
        let permit = consents.get(subject)?.permit::<Relevance>((), *now).ok()?;
        let links = self.links.get(subject).map_or(&[][..], Vec::as_slice);
        let permits: Vec<_> = links
            .iter()
            .filter_map(|link| {
                let permit = consents.get(&link.peer)?.permit::<Relevance>((), *now).ok()?;
                Some((link, permit, profiles.get(&link.peer)?))
            })
            .collect();
        let lenders: Vec<Lender<'_>> = permits
            .iter()
            .map(|(link, permit, profile)| Lender { link, permit, profile })
            .collect();
        let message = Message {
            topics: shop.topics.iter().map(|topic| (*topic).to_owned()).collect(),
            business: business.to_string(),
            language: Some(shop.language.to_owned()),
        };
        let language = Some(self.people[number].language);
        let features = of_pair(&permit, profiles.get(subject), language, &lenders, &message, *at);
        let features = features.value().clone();
        let occasion = Occasion {
            app: self.messenger.clone(),
            business,
            campaign: None,
            list: None,
            arm: shop.title.to_owned(),
            treated: true,
            at: *at,
            closes_at: at.plus(DAY * 7),
            propensity: 1.0,
        };
        Some(Exposure::of(&permit, id, occasion, features))
    }
}
