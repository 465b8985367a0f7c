//! Requests for lists: what is asked, what state it is in, what can be said about it.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::Rng;
use serde::{Deserialize, Serialize};
use volens_privacy::ledger::Hash;
use volens_privacy::{BusinessId, Timestamp};

use super::campaigns::{self, Campaign};
use super::filter::{Fault, Filter, FilterIn};
use super::forecast::Forecast;
use super::order::{By, Ranking};
use super::variants::Drawing;
use super::waterfall::Waterfall;
use super::{AudienceError, Result, build, holdout, reach, store};
use crate::config;
use crate::db::Tx;
use crate::ids::{CampaignId, ListId};
use crate::jobs;

/// The kind of job that builds a list. Its payload is [`Order`].
pub const BUILD_JOB: &str = "audience.build";

/// Rows of an expired list that are removed in one transaction.
const REMOVED_AT_ONCE: u64 = 5_000;

/// What a build job needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Whose list.
    pub business: BusinessId,
    /// Which list.
    pub list: ListId,
}

/// Policy for lists, from the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// No list is made of, and no group is counted with, fewer people.
    pub k: u64,
    /// No list is larger.
    pub size_max: u32,
    /// How long rows are kept and served.
    pub lasts: Duration,
    /// What questions about reach may cost.
    pub reach: reach::Rules,
}

impl From<&config::Lists> for Rules {
    fn from(lists: &config::Lists) -> Self {
        Self {
            k: lists.k_floor.into(),
            size_max: lists.size_limit,
            lasts: Duration::from_hours(24 * u64::from(lists.lasts_days)),
            reach: reach::Rules::from(lists),
        }
    }
}

/// A request as it arrives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestIn {
    /// For which campaign.
    #[schema(value_type = String, example = "cmp_00000000000000000000000000000000")]
    pub campaign: CampaignId,
    /// How many recipients at most.
    pub size: u32,
    /// Whom to narrow to, as text, JSON or in the short form; everybody willing when absent.
    #[serde(default)]
    pub filter: FilterIn,
    /// Share kept aside at random, 0 to 0.5.
    #[serde(default = "default_holdout")]
    pub holdout: f64,
    /// Only say how many could be reached.
    #[serde(default)]
    pub dry_run: bool,
}

fn default_holdout() -> f64 {
    holdout::SHARE_DEFAULT
}

/// A checked request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// For which campaign.
    pub campaign: Campaign,
    /// How many recipients at most.
    pub size: u32,
    /// Whom to narrow to, as it arrived (kept with the list).
    pub wanted: FilterIn,
    /// Whom to narrow to, checked.
    pub filter: Filter,
    /// Share kept aside.
    pub holdout: f64,
}

/// How far a list is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ListState {
    /// Asked for.
    Queued,
    /// Being made.
    Building,
    /// Made and sealed in the ledger.
    Sealed,
    /// Refused by policy; the reason is a code.
    Refused,
    /// Could not be made.
    Failed,
}

impl ListState {
    const ALL: [Self; 5] =
        [Self::Queued, Self::Building, Self::Sealed, Self::Refused, Self::Failed];

    /// As stored and spoken.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Building => "building",
            Self::Sealed => "sealed",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// What a sealed list is sealed with.
#[derive(Debug, Clone, PartialEq)]
pub struct Sealing {
    /// The model that scored it.
    pub model: String,
    /// Rows at that time.
    pub rows: u64,
    /// Root over their leaves.
    pub rows_root: Hash,
    /// Ledger index of its `list.sealed` entry.
    pub entry: u64,
    /// Entries of the ledger under the first signed checkpoint that covers it; proofs of the list lead
    /// there, or to the end of an earlier year.
    pub checkpoint_size: u64,
    /// When.
    pub at: Timestamp,
    /// How it is ranked; by score, without a reason, where it was sealed before there was a choice.
    pub ranking: Option<Ranking>,
    /// What it is expected to bring; nothing where it was sealed before that was told.
    pub forecast: Option<Forecast>,
    /// The variants its rows were drawn from, where the campaign has several.
    pub variants: Option<Drawing>,
}

impl Sealing {
    /// What its rows are ordered by.
    pub fn by(&self) -> By {
        self.ranking.as_ref().map_or(By::Score, |ranking| ranking.by)
    }
}

/// A list of a business.
#[derive(Debug, Clone, PartialEq)]
pub struct List {
    /// Its id.
    pub id: ListId,
    /// Whose it is.
    pub business: BusinessId,
    /// For which campaign.
    pub campaign: CampaignId,
    /// How many recipients were asked for.
    pub size: u32,
    /// What was narrowed to.
    pub filter: FilterIn,
    /// Share kept aside.
    pub holdout: f64,
    /// How far it is.
    pub state: ListState,
    /// Candidates looked at so far.
    pub done: u64,
    /// The code, when refused or failed.
    pub reason: Option<String>,
    /// Exact counts, once they are known.
    pub waterfall: Option<Waterfall>,
    /// How fresh what was ranked is.
    pub data_as_of: Option<Timestamp>,
    /// Once sealed.
    pub sealing: Option<Sealing>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When its rows go.
    pub expires_at: Timestamp,
}

impl List {
    /// How probable it was for each of its rows to be written to rather than kept aside.
    pub fn propensity(&self) -> f64 {
        1.0 - self.holdout
    }

    /// Whether it was not asked of everybody. A filter that can no longer be read did narrow.
    pub fn narrows(&self) -> bool {
        !Filter::check(&self.filter).is_ok_and(|filter| filter.is_empty())
    }

    /// What it is sealed with.
    ///
    /// # Errors
    /// `list.not_ready` when it is not sealed, `list.expired` when it was and its time is over.
    pub fn sealed(&self, now: Timestamp) -> Result<&Sealing> {
        let sealing = self.sealing.as_ref().ok_or(AudienceError::NotSealed(self.state))?;
        if now >= self.expires_at { Err(AudienceError::Expired) } else { Ok(sealing) }
    }
}

/// Checks a request against policy and the business's campaign.
///
/// # Errors
/// `request.invalid`, `audience.too_small`, `campaign.not_found`, `campaign.over`, and what [`Filter::check`] refuses.
pub async fn check(
    tx: &mut Tx,
    business: BusinessId,
    wanted: RequestIn,
    rules: &Rules,
    now: Timestamp,
) -> Result<Request> {
    if wanted.size > rules.size_max {
        return Err(AudienceError::SizeAbove(rules.size_max));
    }
    if u64::from(wanted.size) < rules.k {
        return Err(AudienceError::SizeBelow(rules.k));
    }
    if !(0.0..=holdout::SHARE_MAX).contains(&wanted.holdout) {
        return Err(AudienceError::Invalid { field: "holdout", why: "0 to 0.5" });
    }
    let filter = Filter::check(&wanted.filter)?;
    check_campaigns(tx, business, &wanted.filter, &filter).await?;
    let campaign = campaigns::find(tx, business, wanted.campaign).await?;
    if campaign.window.until <= now {
        return Err(AudienceError::CampaignOver);
    }
    let RequestIn { size, filter: wanted, holdout, .. } = wanted;
    Ok(Request { campaign, size, wanted, filter, holdout })
}

/// Whether the campaigns that a filter names are this business's.
async fn check_campaigns(
    tx: &mut Tx,
    business: BusinessId,
    wanted: &FilterIn,
    filter: &Filter,
) -> Result<()> {
    let named: BTreeSet<CampaignId> =
        filter.campaigns().into_iter().flat_map(|(_, of)| of).collect();
    for id in named {
        match campaigns::find(tx, business, id).await {
            Ok(_) => {}
            Err(AudienceError::NoCampaign) => {
                return Err(Fault::at_campaign(wanted, &id.to_string()).into());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Keeps the request, and the job that fulfils it.
pub async fn order(
    tx: &mut Tx,
    request: &Request,
    rules: &Rules,
    rng: &mut (dyn Rng + Send),
    now: Timestamp,
) -> Result<List> {
    let list = keep(tx, request, rules, rng, now).await?;
    let order = Order { business: list.business, list: list.id };
    let payload = serde_json::to_value(order).expect("two ids are JSON");
    jobs::enqueue(tx, rng, BUILD_JOB, payload, now, now).await?;
    Ok(list)
}

/// Keeps the request alone, for a caller that builds the list itself.
pub async fn keep(
    tx: &mut Tx,
    request: &Request,
    rules: &Rules,
    rng: &mut (dyn Rng + Send),
    now: Timestamp,
) -> Result<List> {
    let list = List {
        id: ListId::random(rng),
        business: request.campaign.business,
        campaign: request.campaign.id,
        size: request.size,
        filter: request.wanted.clone(),
        holdout: request.holdout,
        state: ListState::Queued,
        done: 0,
        reason: None,
        waterfall: None,
        data_as_of: None,
        sealing: None,
        created_at: now,
        expires_at: now.plus(rules.lasts),
    };
    store::add_list(tx, &list).await?;
    Ok(list)
}

/// A list of this business.
///
/// # Errors
/// `list.not_found`, also when it is another business's.
pub async fn find(tx: &mut Tx, business: BusinessId, id: ListId) -> Result<List> {
    store::list(tx, business, id).await?.ok_or(AudienceError::NoList)
}

/// Lists of this business after `after`, at most `limit`, in the order of their ids.
pub async fn page(
    tx: &mut Tx,
    business: BusinessId,
    after: Option<ListId>,
    limit: u32,
) -> Result<Vec<List>> {
    store::lists(tx, business, after, limit).await
}

/// How many rows of the list there are now.
pub async fn rows_now(tx: &mut Tx, list: &List) -> Result<u64> {
    Ok(store::count(tx, (list.business, list.id)).await?)
}

/// Whose list it is. For the operator's command line and for officers, who may look at all.
///
/// # Errors
/// `list.not_found`.
pub async fn owner(tx: &mut Tx, id: ListId) -> Result<BusinessId> {
    store::owner(tx, id).await?.ok_or(AudienceError::NoList)
}

/// Removes what the list that expired first holds about people, a bounded number of rows at a time;
/// answers whether there may be more to remove. What a list was sealed over stays, and what models
/// learn from ends with its own consent. One that is still being built is given up.
pub async fn remove_expired(tx: &mut Tx, now: Timestamp) -> Result<bool> {
    let Some(list) = store::expired(tx, now).await? else { return Ok(false) };
    let order = Order { business: list.0, list: list.1 };
    build::end_unfinished(tx, order, AudienceError::Expired.code()).await?;
    store::recalls::close(tx, list, now).await?;
    if store::remove_some(tx, list, REMOVED_AT_ONCE).await? < REMOVED_AT_ONCE {
        store::remove_nodes(tx, list).await?;
        store::rows_removed(tx, list, now).await?;
    }
    Ok(true)
}
