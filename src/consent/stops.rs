//! What ends consents without anybody weighing it: a withdrawal, an objection, an age.

use rand::rngs::StdRng;
use volens_privacy::consent::Decision;
use volens_privacy::identity::{AppId, SubjectId};
use volens_privacy::{ConsentRecord, PurposeKind, Timestamp};

use super::batch::{Batch, Choice, Outcome};
use super::grants::About;
use super::intake::SKEW;
use super::recorder::{Decide, Effects, ItemDecision, Objecting};
use crate::accounts::suppression::MARKETING;
use crate::db::{self, Tx};

/// Whether a choice is the consent to messages, which alone ends an objection.
pub(super) fn gives_messages(item: &ItemDecision) -> bool {
    item.decision == Decision::Given && item.purpose == PurposeKind::BusinessMessages
}

impl Batch {
    /// The live consent, if it was given after `at`, by more than clocks may differ: then what was said
    /// until `at` does not end it.
    pub(super) fn given_since(
        &self,
        subject: SubjectId,
        about: &About,
        at: Timestamp,
    ) -> Option<Choice> {
        let live = self.grants.live(subject, about)?;
        let entry = self.grants.entry(subject, about)?;
        let newer = live.given_at > at.plus(SKEW);
        newer.then(|| Choice { about: about.clone(), decision: Decision::Given, entry })
    }

    /// Takes one consent back, or notes the no of somebody who had given none. What was said before is
    /// only said until later.
    pub(super) async fn withdraw(
        &mut self,
        tx: &mut Tx,
        rng: &mut StdRng,
        (app, subject): (&AppId, SubjectId),
        about: About,
        (decided_at, evidence): (Timestamp, Option<&serde_json::Value>),
    ) -> db::Result<(Choice, Effects)> {
        let until = decided_at.min(self.now);
        if let Some((decision, known)) = self.grants.said_no(subject, &about, until) {
            return Ok((Choice { about, decision, entry: Err(known) }, Effects::default()));
        }
        let decision = self.grants.no(subject, &about);
        let record = self.ending(rng, subject, app, about, decision);
        self.end(tx, rng, ConsentRecord { decided_at, evidence: evidence.cloned(), ..record }).await
    }

    /// Ends all consents to direct marketing and remembers the objection, account or not.
    pub(super) async fn object(
        &mut self,
        tx: &mut Tx,
        rng: &mut StdRng,
        objecting: &Objecting,
    ) -> db::Result<Outcome> {
        let Objecting { app, account, decided_at } = objecting;
        let at = (*decided_at).min(self.now);
        let subject = self.subject(app, *account);
        let (mut choices, mut effects) = (Vec::new(), Effects::default());
        if let Some(subject) = subject {
            for purpose in MARKETING {
                let (choice, more) =
                    self.withdraw(tx, rng, (app, subject), (purpose, None), (at, None)).await?;
                choices.push(choice);
                effects = effects.together_with(more);
            }
        }
        let entry = self.objections.stand((app.clone(), *account), subject, at, self.now);
        Ok(Outcome::Stopped(choices, effects, Some(entry)))
    }

    /// Ends the live consents that the account is too young for.
    pub(super) async fn outgrow(
        &mut self,
        tx: &mut Tx,
        rng: &mut StdRng,
        subject: SubjectId,
    ) -> db::Result<Outcome> {
        let age = self.ages.get(&subject).copied().unwrap_or_default();
        let (mut choices, mut effects) = (Vec::new(), Effects::default());
        if self.data_keys.contains_key(&subject) {
            for grant in self.grants.all_live(subject) {
                let about = (grant.purpose, grant.peer.clone());
                if age.at_least(grant.purpose.definition().minimum_age()) {
                    continue;
                }
                let mut record = self.ending(rng, subject, &grant.app, about, Decision::Expired);
                record.evidence = Some(serde_json::json!({ "reason": "account.underage" }));
                let (choice, more) = self.end(tx, rng, record).await?;
                choices.push(choice);
                effects = effects.together_with(more);
            }
        }
        Ok(Outcome::Stopped(choices, effects, None))
    }

    /// Whether no objection stands against what was decided: there is none, or the person has agreed
    /// to messages since, at a time that the app tells.
    pub(super) fn outlives_objection(&self, decide: &Decide) -> bool {
        let Some(objected_at) = self.objections.standing(&decide.app, decide.account) else {
            return true;
        };
        decide.time_told
            && decide.decided_at.min(self.now) > objected_at
            && decide.items.iter().any(gives_messages)
    }
}
