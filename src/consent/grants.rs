//! The grants that a batch touches: changed in memory, written at its end.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use volens_privacy::consent::Decision;
use volens_privacy::identity::{AppId, SubjectId};
use volens_privacy::purpose::PurposeKind;
use volens_privacy::{ConsentRecord, Timestamp};

use super::{Decide, Grant, store};
use crate::db::{self, Tx};
use crate::ids::GrantId;

/// Purpose and peer: what one consent is about.
pub(super) type About = (PurposeKind, Option<AppId>);

/// The grants of the batch's accounts, changed in memory and written at the end.
pub(super) struct Grants {
    /// Oldest first under what they are about.
    rows: BTreeMap<(SubjectId, About), Vec<Row>>,
}

struct Row {
    grant: Grant,
    /// Position of the new entry that this row's state rests on.
    position: Option<usize>,
    /// Its end was said again, later; it stays on the entry it rests on.
    repeated: bool,
}

/// Whether the person said no, and no time ran out.
fn is_no(state: Decision) -> bool {
    matches!(state, Decision::Refused | Decision::Withdrawn)
}

impl Grants {
    pub(super) fn new(grants: Vec<Grant>) -> Self {
        let mut rows: BTreeMap<_, Vec<Row>> = BTreeMap::new();
        for grant in grants {
            let key = (grant.subject, (grant.purpose, grant.peer.clone()));
            rows.entry(key).or_default().push(Row { grant, position: None, repeated: false });
        }
        Self { rows }
    }

    fn about(&self, subject: SubjectId, about: &About) -> &[Row] {
        self.rows.get(&(subject, about.clone())).map_or(&[], Vec::as_slice)
    }

    fn about_mut(&mut self, grant: &Grant) -> &mut Vec<Row> {
        self.rows.entry((grant.subject, (grant.purpose, grant.peer.clone()))).or_default()
    }

    pub(super) fn live(&self, subject: SubjectId, about: &About) -> Option<&Grant> {
        let rows = self.about(subject, about).iter().map(|row| &row.grant);
        rows.rev().find(|grant| grant.state == Decision::Given)
    }

    /// Every live grant of an account.
    pub(super) fn all_live(&self, subject: SubjectId) -> Vec<Grant> {
        let of = self.rows.iter().filter(|((owner, _), _)| *owner == subject);
        let live = of.flat_map(|(_, rows)| rows.iter().map(|row| &row.grant));
        live.filter(|grant| grant.state == Decision::Given).cloned().collect()
    }

    pub(super) fn last_end(&self, subject: SubjectId, about: &About) -> Option<Timestamp> {
        self.about(subject, about).iter().filter_map(|row| row.grant.ended_at).max()
    }

    /// Whether the app asked for this although the person had said no, and not long enough ago.
    pub(super) fn asked_too_early(
        &self,
        subject: SubjectId,
        about: &About,
        decide: &Decide,
    ) -> bool {
        let again = about.0.definition().ask_again_after(decide.gatekeeper);
        let rows = self.about(subject, about).iter().map(|row| &row.grant);
        let no = rows.filter(|grant| is_no(grant.state)).filter_map(|grant| grant.ended_at).max();
        decide.requested_at.zip(no).is_some_and(|(asked, no)| no <= asked && asked < no.plus(again))
    }

    /// The latest decision and its entry, if that was a no on record before this batch. The person has
    /// now said so until `at`: a consent decided before that must not revive it.
    pub(super) fn said_no(
        &mut self,
        subject: SubjectId,
        about: &About,
        at: Timestamp,
    ) -> Option<(Decision, u64)> {
        let last = self.rows.get_mut(&(subject, about.clone()))?.last_mut()?;
        if !is_no(last.grant.state) || last.position.is_some() {
            return None;
        }
        if last.grant.ended_at < Some(at) {
            last.grant.ended_at = Some(at);
            last.repeated = true;
        }
        Some((last.grant.state, last.grant.entry))
    }

    /// What a withdrawal is: a consent taken back where one was given, a no where there was none to
    /// take back.
    pub(super) fn no(&self, subject: SubjectId, about: &About) -> Decision {
        match self.about(subject, about).last().map(|row| row.grant.state) {
            Some(Decision::Given | Decision::Expired | Decision::Withdrawn) => Decision::Withdrawn,
            Some(Decision::Refused) | None => Decision::Refused,
        }
    }

    /// Where the consent that lives now is on record: by position, if this batch made it.
    pub(super) fn entry(&self, subject: SubjectId, about: &About) -> Option<Result<usize, u64>> {
        let rows = self.about(subject, about).iter();
        let live = rows.rev().find(|row| row.grant.state == Decision::Given)?;
        Some(live.position.ok_or(live.grant.entry))
    }

    /// Renews the live grant, or adds this one.
    pub(super) fn give(&mut self, grant: Grant, position: usize) -> GrantId {
        let rows = self.about_mut(&grant);
        if let Some(row) = rows.iter_mut().find(|row| row.grant.state == Decision::Given) {
            row.grant = Grant { id: row.grant.id, ..grant };
            row.position = Some(position);
            return row.grant.id;
        }
        let id = grant.id;
        rows.push(Row { grant, position: Some(position), repeated: false });
        id
    }

    /// Ends the live grant; where there is none, `ended` is noted, so that an older consent that
    /// arrives late finds it.
    pub(super) fn end(&mut self, ended: Grant, position: usize) {
        let rows = self.about_mut(&ended);
        match rows.iter_mut().find(|row| row.grant.state == Decision::Given) {
            Some(row) => {
                row.grant.state = ended.state;
                row.grant.ended_at = ended.ended_at;
                row.position = Some(position);
            }
            None => rows.push(Row { grant: ended, position: Some(position), repeated: false }),
        }
    }

    pub(super) async fn write(mut self, tx: &mut Tx, first: u64, changed: i64) -> db::Result<()> {
        let touched = self.rows.values_mut().flatten();
        let mut touched: Vec<&mut Row> =
            touched.filter(|row| row.position.is_some() || row.repeated).collect();
        for row in &mut touched {
            if let Some(position) = row.position {
                row.grant.entry = first + position as u64;
            }
        }
        let touched: Vec<&Grant> = touched.into_iter().map(|row| &row.grant).collect();
        store::write_grants(tx, &touched, changed).await
    }
}

/// The row of a decision that ends something, made from its record.
pub(super) fn ended(rng: &mut StdRng, record: &ConsentRecord) -> Grant {
    let at = record.effective_at();
    let notice = record.notice.as_ref();
    Grant {
        subject: record.subject,
        id: GrantId::random(rng),
        app: record.app.clone(),
        purpose: record.purpose,
        peer: record.peer.clone(),
        state: record.decision,
        notice: notice.map(|notice| notice.id.clone()).unwrap_or_default(),
        notice_version: notice.map_or(0, |notice| notice.version),
        language: notice.map(|notice| notice.language.clone()).unwrap_or_default(),
        given_at: at,
        expires_at: at,
        ended_at: Some(at),
        entry: 0,
    }
}
