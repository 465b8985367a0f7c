//! Writing a batch of a list: that everybody in it is still permitted is settled in the transaction that
//! writes.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng;
use volens_models::offpolicy::Target;
use volens_privacy::{KeyRing, PurposeKind, SubjectId, Timestamp};

use super::Result;
use super::campaigns::Campaign;
use super::ranking::{Judge, Ranked};
use super::request::List;
use super::seal::{BorrowedEntries, Entries, SealedRow, six_decimals};
use super::store::{self, Arm, Footing, Grant, NewLoan, NewRow, NewScore};
use super::variants::{self, Draw};
use super::verify::{Ahead, Lender, Recipient, Verified};
use crate::db::Tx;
use crate::ids::{ExposureId, hex};
use crate::relevance::{self, Assigned, Exposure, Occasion};

/// How long after a campaign what happens still counts as its outcome.
const OUTCOMES_FOR: Duration = Duration::from_hours(7 * 24);

/// What is the same for all members of a batch.
pub(super) struct Batch<'a> {
    pub(super) keys: &'a KeyRing,
    pub(super) list: &'a List,
    pub(super) campaign: &'a Campaign,
    pub(super) judge: &'a Judge,
    /// What the variants of rows are drawn from, where the campaign has several.
    pub(super) draw: Option<&'a Draw>,
    pub(super) arm: Arm,
    pub(super) now: Timestamp,
}

/// What was written of a batch.
pub(super) struct Done {
    /// Members that were permitted.
    pub(super) rows: Vec<Target>,
    /// Where the last of them stands.
    pub(super) lowest: Option<f64>,
}

/// One member, permitted, with the grants everything rests on.
struct Member<'m> {
    ranked: &'m Ranked,
    messages: Footing,
    relevance: Footing,
    loans: Vec<NewLoan>,
    variant: Option<Assigned>,
    exposure: Exposure,
}

impl Batch<'_> {
    /// Settles what was verified of everybody in the batch, and writes; ranks are given from `first` on,
    /// without gaps.
    pub(super) async fn write(
        &self,
        tx: &mut Tx,
        (ranked, ahead): (&[Ranked], &mut Ahead),
        first: u32,
        rng: &mut (dyn Rng + Send),
    ) -> Result<Done> {
        let everybody: Vec<SubjectId> = ranked
            .iter()
            .flat_map(|one| one.lenders.iter().copied().chain([one.subject]))
            .collect();
        // Held first and settled then: what is verified cannot end before the commit.
        let grants = Grants::of(store::hold(tx, &everybody).await?);
        let subjects: Vec<SubjectId> = ranked.iter().map(|one| one.subject).collect();
        let verified = ahead.settle(tx, self.keys, subjects.clone(), self.now).await?;
        let business = self.list.business;
        let stopped = store::stopped(tx, business, &subjects).await?;
        let stopped_recipients = store::stopped_recipients(tx, business).await?;
        let recipients = self.keys.recipients(business);
        let silent = |of: SubjectId| {
            stopped.contains(&of) || stopped_recipients.contains(&recipients.id(of))
        };
        let drawn = (self.campaign, self.draw.filter(|_| self.arm == Arm::Listed));
        let given = variants::assign(tx, self.keys, drawn, &subjects).await?;
        let members: Vec<Member<'_>> = ranked
            .iter()
            .filter(|one| !silent(one.subject))
            .filter_map(|one| {
                let variant = given.get(&one.subject).copied();
                self.member((one, variant), &verified, &grants, rng)
            })
            .collect();
        let by = self.judge.ranking().by;
        let lowest = members.last().map(|member| member.ranked.place(by));
        let rows = members.iter().map(|member| member.ranked.target(by)).collect();
        let done = Done { rows, lowest };
        self.keep(tx, members, first, rng).await?;
        Ok(done)
    }

    fn member<'m>(
        &self,
        (ranked, variant): (&'m Ranked, Option<Assigned>),
        verified: &Verified,
        grants: &Grants,
        rng: &mut (dyn Rng + Send),
    ) -> Option<Member<'m>> {
        let subject = ranked.subject;
        let Recipient { messages, relevance, teaching } =
            verified.recipient(subject, &self.campaign.delivery_app).ok()?;
        let lenders = self.judge.lenders(verified, subject);
        let loans = ranked.lenders.iter().map(|wanted| {
            let lender = lenders.iter().find(|lender| lender.link.peer == *wanted)?;
            loan(subject, lender, grants)
        });
        // Whatever was borrowed for the score must still be lent, or the score is another one.
        let loans = loans.collect::<Option<Vec<NewLoan>>>()?;
        let exposure = Exposure::of(
            &relevance,
            ExposureId::random(rng),
            self.occasion(),
            ranked.features.clone(),
        )
        .with_variant(variant);
        let teaches = |entry| grants.footing(subject, PurposeKind::ModelTraining, entry).is_some();
        let exposure = match teaching.filter(|permit| teaches(permit.entry())) {
            Some(teaching) => exposure.observed(&relevance, &teaching),
            None => exposure,
        };
        Some(Member {
            ranked,
            messages: grants.footing(subject, PurposeKind::BusinessMessages, messages.entry())?,
            relevance: grants.footing(subject, PurposeKind::Relevance, relevance.entry())?,
            loans,
            exposure,
            variant,
        })
    }

    fn occasion(&self) -> Occasion {
        let treated = self.arm == Arm::Listed;
        Occasion {
            app: self.campaign.delivery_app.clone(),
            business: self.list.business,
            campaign: Some(self.campaign.id),
            list: Some(self.list.id),
            arm: if treated { self.campaign.id.to_string() } else { "control".to_owned() },
            treated,
            at: self.now,
            closes_at: self.campaign.window.until.plus(OUTCOMES_FOR),
            propensity: if treated { self.list.propensity() } else { self.list.holdout },
        }
    }

    async fn keep(
        &self,
        tx: &mut Tx,
        members: Vec<Member<'_>>,
        first: u32,
        rng: &mut (dyn Rng + Send),
    ) -> Result<()> {
        let of = (self.list.business, self.list.id);
        let scores: Vec<NewScore> = members.iter().map(|member| self.score(member)).collect();
        store::add_scores(tx, of, &self.judge.model(), &scores).await?;
        if self.arm == Arm::Listed {
            let rows: Vec<NewRow> = (first..)
                .zip(&members)
                .map(|(rank, member)| self.row(rank, member, salt(rng)))
                .collect();
            let leaves =
                rows.iter().zip(&members).map(|(row, member)| (row.rank, self.leaf(row, member)));
            store::add_leaves(tx, of.0, of.1, leaves).await?;
            store::add_rows(tx, of, &rows).await?;
        }
        let mut loans = Vec::new();
        let exposures: Vec<Exposure> = members
            .into_iter()
            .map(|member| {
                loans.extend(member.loans);
                member.exposure
            })
            .collect();
        store::add_loans(tx, of, &loans).await?;
        relevance::record_exposures(tx, self.keys, &exposures, rng).await?;
        Ok(())
    }

    fn score(&self, member: &Member<'_>) -> NewScore {
        NewScore {
            subject: member.ranked.subject,
            arm: self.arm,
            score: six_decimals(member.ranked.score),
            relevance: member.relevance,
        }
    }

    fn row(&self, rank: u32, member: &Member<'_>, salt: [u8; 16]) -> NewRow {
        let ranked = member.ranked;
        NewRow {
            subject: ranked.subject,
            recipient: self.keys.recipient(self.list.business, ranked.subject),
            rank,
            score: six_decimals(ranked.score),
            uplift: ranked.uplift,
            risk: ranked.risk,
            propensity: Some(six_decimals(self.list.propensity())),
            variant: member.variant,
            reasons: ranked.reasons.clone(),
            salt,
            messages: member.messages,
            relevance: member.relevance,
        }
    }

    fn leaf(&self, row: &NewRow, member: &Member<'_>) -> volens_privacy::Hash {
        let entries = Entries {
            messages: row.messages.entry,
            relevance: row.relevance.entry,
            borrowed: borrowed(&member.loans),
        };
        let sealed = SealedRow {
            list: self.list.id,
            recipient: row.recipient,
            rank: row.rank,
            score: row.score,
            uplift: row.uplift,
            risk: row.risk,
            propensity: row.propensity,
            variant: row.variant,
            reasons: &row.reasons,
            entries: &entries,
            salt: &hex(&row.salt),
        };
        sealed.leaf()
    }
}

/// In the order of apps, as rows are read back.
fn borrowed(loans: &[NewLoan]) -> Vec<BorrowedEntries> {
    let mut entries: Vec<BorrowedEntries> = loans
        .iter()
        .map(|loan| BorrowedEntries {
            app: loan.peer.to_string(),
            own: loan.own.entry,
            lender: loan.lent.entry,
            relevance: loan.relevance.entry,
        })
        .collect();
    entries.sort_by(|a, b| (&a.app, a.own).cmp(&(&b.app, b.own)));
    entries
}

fn loan(subject: SubjectId, lender: &Lender<'_>, grants: &Grants) -> Option<NewLoan> {
    let link = lender.link;
    let relevance = lender.relevance.entry();
    Some(NewLoan {
        subject,
        peer: link.peer_app.clone(),
        lender: link.peer,
        own: Footing { grant: link.grant.0, entry: link.grant.1 },
        lent: Footing { grant: link.peer_grant.0, entry: link.peer_grant.1 },
        relevance: grants.footing(link.peer, PurposeKind::Relevance, relevance)?,
    })
}

fn salt(rng: &mut (dyn Rng + Send)) -> [u8; 16] {
    let mut salt = [0; 16];
    rng.fill_bytes(&mut salt);
    salt
}

/// Live grants, to be found by what they are for.
struct Grants(BTreeMap<(SubjectId, String), Vec<Grant>>);

impl Grants {
    fn of(grants: Vec<Grant>) -> Self {
        let mut found: BTreeMap<_, Vec<Grant>> = BTreeMap::new();
        for grant in grants {
            found.entry((grant.subject, grant.purpose.clone())).or_default().push(grant);
        }
        Self(found)
    }

    /// The live grant that a permit with this entry rests on. Without one, projection and ledger
    /// disagree, and the ledger alone does not put anybody on a list: nothing would remove them.
    fn footing(&self, subject: SubjectId, purpose: PurposeKind, entry: u64) -> Option<Footing> {
        let grants = self.0.get(&(subject, purpose.as_str().to_owned()))?;
        let grant = grants.iter().find(|grant| grant.entry == entry)?;
        Some(Footing { grant: grant.id, entry })
    }
}
