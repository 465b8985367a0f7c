//! Variants of campaigns, in SQL: who was given which, and what came of it.

use std::collections::BTreeMap;

use volens_models::bandit::Group;
use volens_privacy::SubjectId;

use super::lists::parse;
use super::rows::listed;
use crate::audience::Result;
use crate::audience::campaigns::Campaign;
use crate::audience::variants::Drawing;
use crate::db::{self, Tx, Value, statements, values};
use crate::ids::ListId;
use crate::relevance::Assigned;

statements! {
    GIVEN = "select e.subject, e.variant, e.variant_propensity from exposures e
             join lists l on l.business = e.business and l.id = e.list
             where e.campaign = $1 and e.variant is not null and l.state = 'sealed'
               and e.subject in ({list})";
    // Lists of which nothing was reported say nothing: perhaps they were not sent. Who was on several
    // counts once.
    KNOWN = "select w.variant, w.variant_propensity, count(*) as people,
                    cast(sum(w.met) as bigint) as met, cast(sum(w.harmed) as bigint) as harmed
               from (select e.subject, e.variant, e.variant_propensity,
                            max(case when o.kind = $2 then 1 else 0 end) as met,
                            max(case when o.kind in ('stop', 'complaint') then 1 else 0 end) as harmed
                       from exposures e
                       left join outcomes o on o.subject = e.subject and o.exposure = e.id
                      where e.campaign = $1 and e.variant is not null
                        and e.list in (select x.list from exposures x
                                       join outcomes y on y.subject = x.subject and y.exposure = x.id
                                       where x.campaign = $1 and x.variant is not null)
                      group by e.subject, e.variant, e.variant_propensity) w
              group by w.variant, w.variant_propensity
              order by w.variant, w.variant_propensity";
    // Lists of one campaign are sealed one after the other.
    HOLD = "select id from campaigns where business = $1 and id = $2"
        | postgres "select id from campaigns where business = $1 and id = $2 for no key update";
    CROSSED = "select own.subject from exposures own
               join exposures other on other.subject = own.subject and other.campaign = own.campaign
               join lists l on l.business = other.business and l.id = other.list
               where own.list = $1 and own.variant is not null and other.variant is not null
                 and l.state = 'sealed' and l.id <> $1
                 and (other.variant <> own.variant
                      or other.variant_propensity <> own.variant_propensity) limit 1";
    DRAWN = "select id, variants from lists
             where business = $1 and campaign = $2 and variants is not null and entry <= $3
             order by entry";
}

/// What these people were given by sealed lists of the campaign.
pub(in crate::audience) async fn given(
    tx: &mut Tx,
    campaign: &Campaign,
    subjects: &[SubjectId],
) -> db::Result<BTreeMap<SubjectId, Assigned>> {
    let rows = tx.fetch_list(GIVEN, values![campaign.id], listed(subjects)).await?;
    let mut given = BTreeMap::new();
    for row in &rows {
        if let Some(assigned) = Assigned::read(row)? {
            given.insert(row.get("subject")?, assigned);
        }
    }
    Ok(given)
}

/// What came of the variants so far: people by variant and by the probability with which they got it.
pub(in crate::audience) async fn known(tx: &mut Tx, campaign: &Campaign) -> db::Result<Vec<Group>> {
    let rows = tx.fetch(KNOWN, values![campaign.id, campaign.goal.as_str()]).await?;
    let mut groups = Vec::with_capacity(rows.len());
    for row in &rows {
        let Some(Assigned { name, propensity }) = Assigned::read(row)? else { continue };
        groups.push(Group {
            variant: name.place(),
            propensity,
            people: row.get("people")?,
            met: row.get("met")?,
            harmed: row.get("harmed")?,
        });
    }
    Ok(groups)
}

/// Whether another list of the campaign, sealed since this one began, gave somebody something else. No other
/// is sealed until the transaction ends.
pub(in crate::audience) async fn is_crossed(
    tx: &mut Tx,
    campaign: &Campaign,
    list: ListId,
) -> db::Result<bool> {
    tx.fetch_one(HOLD, values![campaign.business, campaign.id]).await?;
    Ok(tx.fetch_optional(CROSSED, values![list]).await?.is_some())
}

/// What the campaign's lists up to this ledger entry were drawn from.
pub(in crate::audience) async fn drawn(
    tx: &mut Tx,
    campaign: &Campaign,
    up_to: u64,
) -> Result<Vec<(ListId, Drawing)>> {
    let values = vec![campaign.business.into(), campaign.id.into(), Value::count(up_to)?];
    let rows = tx.fetch(DRAWN, values).await?;
    let mut drawn = Vec::with_capacity(rows.len());
    for row in &rows {
        let text: String = row.get("variants")?;
        drawn.push((row.get("id")?, parse(&text, "lists.variants")?));
    }
    Ok(drawn)
}
