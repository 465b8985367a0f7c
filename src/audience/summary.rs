//! What a business is told about its list, by whatever way it asks.

use serde::Serialize;
use utoipa::ToSchema;
use volens_privacy::Timestamp;
use volens_privacy::ledger::Hash;

use super::forecast::Forecast;
use super::order::Ranking;
use super::reach::{Answer, Budget};
use super::request::{List, ListState, Rules};
use super::store;
use super::variants::Offered;
use super::waterfall::{PublishedWaterfall, Reach};
use super::{AudienceError, Filter, FilterIn, Warning};
use crate::db::{self, Tx};
use crate::ids::{CampaignId, ListId};

/// A list.
#[derive(Serialize, ToSchema)]
pub struct ListSummary {
    /// Its id.
    #[schema(value_type = String, example = "lst_00000000000000000000000000000000")]
    pub id: ListId,
    /// For which campaign.
    #[schema(value_type = String)]
    pub campaign: CampaignId,
    /// How many recipients were asked for.
    pub size: u32,
    /// What was narrowed to, as it was asked for.
    pub filter: FilterIn,
    /// The same as text, in the one form of everything that says the same.
    #[schema(example = "country in (GB, IE) and bought sport.* >= 3 within 14 days")]
    pub filter_text: String,
    /// What the filter could stand for although nobody may be addressed by it.
    pub warnings: Vec<Warning>,
    /// Share kept aside at random.
    pub holdout: f64,
    /// How far it is.
    pub state: ListState,
    /// How many rows are written while it is being built, in whole groups that may be counted.
    pub done: u64,
    /// Stable code, when it was refused or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The fewest people a list is made of, when there were fewer. How many there were is not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor: Option<u64>,
    /// Where everybody went, of a sealed list: small counts are withheld, and all but the rows when the
    /// request narrowed. A dry run tells more, with noise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waterfall: Option<PublishedWaterfall>,
    /// What it is sealed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seal: Option<SealSummary>,
    /// When it was asked for.
    #[schema(value_type = String, format = "date-time")]
    pub created_at: Timestamp,
    /// When its rows go.
    #[schema(value_type = String, format = "date-time")]
    pub expires_at: Timestamp,
}

/// What a list is sealed with.
#[derive(Serialize, ToSchema)]
pub struct SealSummary {
    /// When.
    #[schema(value_type = String, format = "date-time")]
    pub at: Timestamp,
    /// How fresh the signals and consents were that candidates were chosen by. Permission is
    /// verified anew each time rows are served.
    #[schema(value_type = Option<String>, format = "date-time")]
    pub data_as_of: Option<Timestamp>,
    /// The model that ranked.
    pub model: String,
    /// By what, and why; absent where the list was sealed before there was a choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ranking: Option<Ranking>,
    /// What writing to these rows is expected to bring, from the business's earlier campaigns; absent where
    /// the list was sealed before that was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Forecast>,
    /// The variants its rows were drawn from and how probable each was, where the campaign has several. Who was
    /// written to by an earlier list of the campaign kept the variant of then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variants: Option<Vec<Offered>>,
    /// Rows that were sealed.
    pub rows: u64,
    /// Rows that are there now; consents that ended took the others along.
    pub rows_now: u64,
    /// Ledger index of the `list.sealed` entry.
    pub entry: u64,
    /// Entries of the ledger that the list was sealed over; proofs lead there, or to the end of an
    /// earlier year.
    pub ledger_size: u64,
    /// Root over the rows.
    #[schema(value_type = String)]
    pub rows_root: Hash,
}

impl ListSummary {
    /// As a business sees it now.
    pub async fn read(tx: &mut Tx, list: &List, rules: &Rules) -> db::Result<Self> {
        let rows_now = store::count(tx, (list.business, list.id)).await?;
        Ok(Self::of(list, rows_now, rules))
    }

    /// As a business sees it, with so many rows.
    pub fn of(list: &List, rows_now: u64, rules: &Rules) -> Self {
        let seal = list.sealing.as_ref().map(|sealing| SealSummary {
            at: sealing.at,
            data_as_of: list.data_as_of,
            model: sealing.model.clone(),
            ranking: sealing.ranking.clone(),
            forecast: sealing.forecast,
            variants: sealing.variants.as_ref().map(|drawing| drawing.draw.variants.clone()),
            rows: sealing.rows,
            rows_now,
            entry: sealing.entry,
            ledger_size: sealing.checkpoint_size,
            rows_root: sealing.rows_root,
        });
        // One that could be asked for once and no longer can has no text.
        let filter = Filter::check(&list.filter).ok();
        Self {
            id: list.id,
            campaign: list.campaign,
            size: list.size,
            filter: list.filter.clone(),
            filter_text: filter.as_ref().map(Filter::text).unwrap_or_default(),
            warnings: filter.as_ref().map(Filter::warnings).unwrap_or_default(),
            holdout: list.holdout,
            state: list.state,
            done: published_done(list, rules),
            reason: list.reason.clone(),
            floor: (list.reason.as_deref() == Some(AudienceError::TooSmall(rules.k).code()))
                .then_some(rules.k),
            waterfall: published_counts(list, rules),
            seal,
            created_at: list.created_at,
            expires_at: list.expires_at,
        }
    }
}

/// What a business may see of a list's counts: nothing unless it is sealed, for a refused group is
/// told by its counts; and its rows alone where it narrowed.
pub fn published_counts(list: &List, rules: &Rules) -> Option<PublishedWaterfall> {
    let counts = list.waterfall.as_ref().filter(|_| list.state == ListState::Sealed)?;
    if !list.narrows() {
        return Some(counts.published(rules.k));
    }
    Some(counts.rows_alone(rules.k))
}

/// How far it is. A list that ends refused was never as long as the floor, which is not told.
pub fn published_done(list: &List, rules: &Rules) -> u64 {
    let ended = matches!(list.state, ListState::Refused | ListState::Failed);
    if ended || list.done < rules.k { 0 } else { list.done }
}

/// How many a request could reach.
#[derive(Serialize, ToSchema)]
pub struct DryRun {
    /// Always true.
    pub dry_run: bool,
    /// A range that holds the true number in 19 of 20 answers: exact counts could be compared to find
    /// out about single people.
    pub reach: Reach,
    /// Where the others went.
    pub waterfall: PublishedWaterfall,
    /// When it was counted: the same question gets the same answer all day.
    #[schema(value_type = String, format = "date-time")]
    pub counted_at: Timestamp,
    /// What the business may still ask.
    pub budget: Budget,
    /// What was narrowed to, in the one form of everything that says the same: what asks the same gets
    /// this answer.
    pub filter_text: String,
    /// What the filter could stand for although nobody may be addressed by it.
    pub warnings: Vec<Warning>,
}

impl DryRun {
    /// What is said about a request.
    ///
    /// # Errors
    /// [`AudienceError::TooSmall`] where the count with noise is below the floor.
    pub fn of(
        answer: Answer,
        (filter, holdout): (&Filter, f64),
        rules: &Rules,
    ) -> Result<Self, AudienceError> {
        let Answer { told, at, budget } = answer;
        if told.reached < rules.k.cast_signed() {
            return Err(AudienceError::TooSmall(rules.k));
        }
        Ok(Self {
            dry_run: true,
            reach: Reach::around(told.reached, told.margin, 1.0 - holdout),
            waterfall: PublishedWaterfall::of_answer(&told, holdout, rules.k),
            counted_at: at,
            budget,
            filter_text: filter.text(),
            warnings: filter.warnings(),
        })
    }
}
