//! Who was part of campaigns, in SQL.

use std::collections::BTreeSet;

use volens_privacy::{BusinessId, SubjectId};

use crate::audience::filter::Part;
use crate::db::{self, Tx, statements, values};
use crate::ids::CampaignId;

statements! {
    EXPOSED = "select distinct subject from exposures where business = $1 and treated = $2";
    EXPOSED_OF = "select distinct subject from exposures
                  where business = $1 and treated = $2 and campaign = $3";
    ANSWERED = "select distinct e.subject from exposures e
                join outcomes o on o.subject = e.subject and o.exposure = e.id
                where e.business = $1 and e.treated = 1 and o.kind in ('click', 'reply', 'buy')";
    ANSWERED_OF = "select distinct e.subject from exposures e
                   join outcomes o on o.subject = e.subject and o.exposure = e.id
                   where e.business = $1 and e.treated = 1 and e.campaign = $2
                     and o.kind in ('click', 'reply', 'buy')";
}

/// Who was part of these campaigns of a business; of any, where none is named. Another business's
/// campaign has no part of this one's.
pub(in crate::audience) async fn part_of(
    tx: &mut Tx,
    business: BusinessId,
    part: Part,
    of: &BTreeSet<CampaignId>,
) -> db::Result<BTreeSet<SubjectId>> {
    let treated = i64::from(part != Part::KeptAside);
    let answered = part == Part::Answered;
    let mut rows = Vec::new();
    if of.is_empty() {
        rows.extend(if answered {
            tx.fetch(ANSWERED, values![business]).await?
        } else {
            tx.fetch(EXPOSED, values![business, treated]).await?
        });
    }
    for campaign in of {
        rows.extend(if answered {
            tx.fetch(ANSWERED_OF, values![business, *campaign]).await?
        } else {
            tx.fetch(EXPOSED_OF, values![business, treated, *campaign]).await?
        });
    }
    rows.iter().map(|row| row.get("subject")).collect()
}
