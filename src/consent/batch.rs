//! Applying a batch of decisions in one transaction.
//!
//! Read everything the batch touches, decide in memory and in order, then write everything in a few
//! multi-row statements: the cost of a batch is a handful of statements and one flush, whatever its
//! size.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt as _;
use rand::rngs::StdRng;
use volens_privacy::consent::{
    AssessmentRef, CommittedRecord, Decision, NoticeRef, PhoneEvidenceLabel,
};
use volens_privacy::identity::{AccountTag, AppId, SubjectId};
use volens_privacy::keys::{DataKey, KeyRing};
use volens_privacy::ledger::{Leaf, LogSigner};
use volens_privacy::{AgeBand, ConsentRecord, PurposeKind, Timestamp};

use super::grants::{About, Grants, ended};
use super::heads::{Heads, Publications, assessments};
use super::objections::Objections;
use super::recorder::{Command, Decide, Effects, ItemDecision, Objecting, Refused, Replies};
use super::stops::gives_messages;
use super::store::{self, NewToken};
use super::written::Written;
use super::{Grant, seal_record};
use crate::accounts::suppression::MARKETING;
use crate::accounts::{self, AccountError, Opened};
use crate::assessments::NEEDED;
use crate::db::{self, Tx};
use crate::ids::GrantId;
use crate::ledger::{self, Head, LedgerError};

/// What a command will answer once entries have their numbers.
pub(super) enum Outcome {
    Refused(Refused),
    Decided(Vec<Choice>),
    Ended(Choice, Effects),
    Stopped(Vec<Choice>, Effects, Option<Result<usize, u64>>),
}

/// One choice: a new entry by position, or one that is on record already.
pub(super) struct Choice {
    pub(super) about: About,
    pub(super) decision: Decision,
    pub(super) entry: Result<usize, u64>,
}

pub(super) async fn record(
    tx: &mut Tx,
    keys: &KeyRing,
    signer: &LogSigner,
    rng: &mut StdRng,
    now: Timestamp,
    commands: &[Command],
) -> db::Result<Vec<Result<Replies, Refused>>> {
    let head = ledger::hold(tx).await.map_err(driver)?;
    let mut batch = Batch::load(tx, keys, commands, now).await?;
    let mut outcomes = Vec::with_capacity(commands.len());
    for command in commands {
        outcomes.push(batch.decide(tx, rng, command).await?);
    }
    batch.write(tx, head, keys, signer, rng).await?.replies(outcomes)
}

/// Everything that the commands touch.
pub(super) struct Batch {
    pub(super) now: Timestamp,
    subjects: BTreeMap<(AppId, AccountTag), SubjectId>,
    pub(super) ages: BTreeMap<SubjectId, AgeBand>,
    frozen: BTreeSet<SubjectId>,
    pub(super) objections: Objections,
    pub(super) data_keys: BTreeMap<SubjectId, DataKey>,
    /// Impact assessments in force; nobody can consent to what needs one and has none.
    assessments: BTreeMap<PurposeKind, AssessmentRef>,
    publications: Publications,
    heads: Heads,
    pub(super) grants: Grants,
    /// Decisions that become ledger entries, in their order.
    pending: Vec<CommittedRecord>,
    /// Tokens by grant, replacing another that the grant had.
    tokens: BTreeMap<GrantId, NewToken>,
}

impl Batch {
    async fn load(
        tx: &mut Tx,
        keys: &KeyRing,
        commands: &[Command],
        now: Timestamp,
    ) -> db::Result<Self> {
        let (tags, mut ids) = named(commands);
        let known: Vec<SubjectId> = ids.iter().copied().collect();
        let mut data_keys = accounts::data_keys(tx, keys, &known).await.map_err(account_driver)?;
        let (mut subjects, mut ages) = (BTreeMap::new(), BTreeMap::new());
        for (subject, account) in accounts::find(tx, &known).await? {
            ages.insert(subject, account.details.age_band);
        }
        let (mut objections, mut frozen) = (Objections::default(), BTreeSet::new());
        for (app, tags) in tags {
            objections.load(tx, keys, app, tags.iter().copied()).await?;
            let opened = accounts::open(tx, keys, app, tags).await.map_err(account_driver)?;
            for (tag, Opened { subject, age_band, frozen: restricted, key }) in opened {
                ids.insert(subject);
                subjects.insert((app.clone(), tag), subject);
                ages.insert(subject, age_band);
                data_keys.insert(subject, key);
                if restricted {
                    frozen.insert(subject);
                }
            }
        }
        let ids: Vec<SubjectId> = ids.into_iter().collect();
        let grants = Grants::new(store::grants(tx, &ids).await?);
        let assessments = assessments(tx, commands).await?;
        let publications = Publications::load(tx, commands).await?;
        let heads = Heads::load(tx, &data_keys).await?;
        let (pending, tokens) = (Vec::new(), BTreeMap::new());
        Ok(Self {
            now,
            subjects,
            ages,
            frozen,
            objections,
            data_keys,
            assessments,
            publications,
            heads,
            grants,
            pending,
            tokens,
        })
    }

    async fn decide(
        &mut self,
        tx: &mut Tx,
        rng: &mut StdRng,
        command: &Command,
    ) -> db::Result<Outcome> {
        match command {
            Command::Decide(decide) => self.choices(tx, rng, decide).await,
            Command::Withdraw(w) => {
                let Some(subject) = self.subject(&w.app, w.account) else {
                    return Ok(Outcome::Refused(Refused::AccountUnknown));
                };
                let about = (w.purpose, w.peer.clone());
                if w.from_evidence
                    && let Some(choice) = self.given_since(subject, &about, w.decided_at)
                {
                    return Ok(Outcome::Ended(choice, Effects::default()));
                }
                let said = (w.decided_at, w.evidence.as_ref());
                let (choice, effects) =
                    self.withdraw(tx, rng, (&w.app, subject), about, said).await?;
                Ok(Outcome::Ended(choice, effects))
            }
            Command::Object(objecting) => self.object(tx, rng, objecting).await,
            Command::Outgrow(subject) => self.outgrow(tx, rng, *subject).await,
            Command::Expire(grant) => {
                let about = (grant.purpose, grant.peer.clone());
                let live = self.grants.live(grant.subject, &about);
                let due = live.is_some_and(|live| live.id == grant.id && !live.is_live(self.now));
                if !due || !self.data_keys.contains_key(&grant.subject) {
                    return Ok(Outcome::Refused(Refused::Superseded));
                }
                let record = self.ending(rng, grant.subject, &grant.app, about, Decision::Expired);
                // It ended then, not when somebody noticed: a consent given since is a newer word.
                let record = ConsentRecord { decided_at: grant.expires_at, ..record };
                let (choice, effects) = self.end(tx, rng, record).await?;
                Ok(Outcome::Ended(choice, effects))
            }
        }
    }

    pub(super) fn subject(&self, app: &AppId, tag: AccountTag) -> Option<SubjectId> {
        let subject = self.subjects.get(&(app.clone(), tag)).copied();
        subject.filter(|subject| self.data_keys.contains_key(subject))
    }

    async fn choices(
        &mut self,
        tx: &mut Tx,
        rng: &mut StdRng,
        decide: &Decide,
    ) -> db::Result<Outcome> {
        let Some(subject) = self.subject(&decide.app, decide.account) else {
            return Ok(Outcome::Refused(Refused::AccountUnknown));
        };
        // All choices of one call stand or fall together, so look before leaping.
        for item in &decide.items {
            if item.decision == Decision::Given
                && let Err(refused) = self.admissible(subject, decide, item)
            {
                return Ok(Outcome::Refused(refused));
            }
        }
        if decide.items.iter().any(gives_messages) {
            self.objections.lift((decide.app.clone(), decide.account), subject, self.now);
        }
        let mut choices = Vec::with_capacity(decide.items.len());
        for item in &decide.items {
            choices.push(match item.decision {
                Decision::Given => self.give(rng, subject, decide, item),
                Decision::Refused | Decision::Withdrawn | Decision::Expired => {
                    self.refuse(tx, rng, subject, decide, item).await?
                }
            });
        }
        Ok(Outcome::Decided(choices))
    }

    fn admissible(
        &self,
        subject: SubjectId,
        decide: &Decide,
        item: &ItemDecision,
    ) -> Result<(), Refused> {
        let age = self.ages.get(&subject).copied().unwrap_or_default();
        if !age.at_least(item.purpose.definition().minimum_age()) {
            return Err(Refused::Underage);
        }
        if self.frozen.contains(&subject) {
            return Err(Refused::Restricted);
        }
        if MARKETING.contains(&item.purpose) && !self.outlives_objection(decide) {
            return Err(Refused::Objected);
        }
        if NEEDED.contains(&item.purpose) && !self.assessments.contains_key(&item.purpose) {
            return Err(Refused::Unassessed);
        }
        let about = (item.purpose, item.peer.clone());
        let ended = self.grants.last_end(subject, &about);
        if ended.is_some_and(|ended| ended > decide.decided_at.min(self.now)) {
            return Err(Refused::Superseded);
        }
        if self.grants.asked_too_early(subject, &about, decide) {
            return Err(Refused::AskedTooEarly);
        }
        Ok(())
    }

    fn give(
        &mut self,
        rng: &mut StdRng,
        subject: SubjectId,
        decide: &Decide,
        item: &ItemDecision,
    ) -> Choice {
        let about = (item.purpose, item.peer.clone());
        let given_at = decide.decided_at.min(self.now);
        if let Some(live) = self.grants.live(subject, &about)
            && (live.given_at > given_at || same_choice(live, given_at, &decide.notice))
        {
            let entry = self.grants.entry(subject, &about).unwrap_or(Err(live.entry));
            return Choice { about, decision: Decision::Given, entry };
        }
        let record = self.record(rng, subject, decide, item);
        let grant = Grant {
            subject,
            id: GrantId::random(rng),
            app: decide.app.clone(),
            purpose: item.purpose,
            peer: item.peer.clone(),
            state: Decision::Given,
            notice: decide.notice.id.clone(),
            notice_version: decide.notice.version,
            language: decide.notice.language.clone(),
            given_at,
            expires_at: record.ends_at(),
            ended_at: None,
            entry: 0,
        };
        let position = self.push(record);
        let id = self.grants.give(grant, position);
        if let (Some(peer), Some(token)) = (&item.peer, &item.token) {
            let (app, peer) = (decide.app.clone(), peer.clone());
            let (pepper, token) = (token.pepper, *token.token.as_bytes());
            self.tokens.insert(id, NewToken { subject, app, peer, token, grant: id, pepper });
        }
        Choice { about, decision: Decision::Given, entry: Ok(position) }
    }

    async fn refuse(
        &mut self,
        tx: &mut Tx,
        rng: &mut StdRng,
        subject: SubjectId,
        decide: &Decide,
        item: &ItemDecision,
    ) -> db::Result<Choice> {
        let about = (item.purpose, item.peer.clone());
        if decide.from_evidence
            && let Some(choice) = self.given_since(subject, &about, decide.decided_at)
        {
            return Ok(choice);
        }
        // Saying no to what one had agreed to takes the consent back.
        let record = self.record(rng, subject, decide, item);
        self.end(tx, rng, record).await.map(|(choice, _)| choice)
    }

    fn record(
        &self,
        rng: &mut StdRng,
        subject: SubjectId,
        decide: &Decide,
        item: &ItemDecision,
    ) -> ConsentRecord {
        let phone: Option<PhoneEvidenceLabel> =
            decide.phone.clone().filter(|_| item.token.is_some());
        let assessment = self.assessments.get(&item.purpose).cloned();
        ConsentRecord {
            id: rng.random(),
            subject,
            app: decide.app.clone(),
            purpose: item.purpose,
            peer: item.peer.clone(),
            decision: item.decision,
            notice: Some(self.publications.of(&decide.notice)),
            assessment: assessment.filter(|_| item.decision == Decision::Given),
            chain: None,
            requested_at: decide.requested_at,
            decided_at: decide.decided_at,
            recorded_at: self.now,
            expires_at: None,
            phone,
            evidence: decide.evidence.clone(),
        }
    }

    pub(super) fn ending(
        &self,
        rng: &mut StdRng,
        subject: SubjectId,
        app: &AppId,
        about: About,
        decision: Decision,
    ) -> ConsentRecord {
        let (purpose, peer) = about;
        ConsentRecord {
            id: rng.random(),
            subject,
            app: app.clone(),
            purpose,
            peer,
            decision,
            notice: None,
            assessment: None,
            chain: None,
            requested_at: None,
            decided_at: self.now,
            recorded_at: self.now,
            expires_at: None,
            phone: None,
            evidence: None,
        }
    }

    /// Ends whatever lives for what the record is about, and counts what goes with it.
    pub(super) async fn end(
        &mut self,
        tx: &mut Tx,
        rng: &mut StdRng,
        record: ConsentRecord,
    ) -> db::Result<(Choice, Effects)> {
        let about = (record.purpose, record.peer.clone());
        let decision = record.decision;
        let mut effects = Effects::default();
        if let Some(live) = self.grants.live(record.subject, &about) {
            effects = store::effects(tx, live).await?;
            let id = live.id;
            self.tokens.remove(&id);
        }
        let ended = ended(rng, &record);
        let position = self.push(record);
        self.grants.end(ended, position);
        Ok((Choice { about, decision, entry: Ok(position) }, effects))
    }

    fn push(&mut self, record: ConsentRecord) -> usize {
        let key = &self.data_keys[&record.subject];
        let chain = self.heads.place(&record);
        let committed = ConsentRecord { chain, ..record }.commit(key);
        self.heads.push(&committed);
        self.pending.push(committed);
        self.pending.len() - 1
    }

    /// The records under their accounts' keys, the first of them as entry `first`. Sealing is work and
    /// appending is mostly waiting for the database, so this steps back after each record.
    async fn seal(&self, first: u64, rng: &mut StdRng) -> Vec<(SubjectId, u64, Vec<u8>)> {
        let mut sealed = Vec::with_capacity(self.pending.len());
        for (pending, index) in self.pending.iter().zip(first..) {
            let subject = pending.record().subject;
            let key = &self.data_keys[&subject];
            sealed.push((subject, index, seal_record(key, index, pending, rng)));
            tokio::task::yield_now().await;
        }
        sealed
    }

    async fn write(
        self,
        tx: &mut Tx,
        head: Head,
        keys: &KeyRing,
        signer: &LogSigner,
        rng: &mut StdRng,
    ) -> db::Result<Written> {
        let mut leaves: Vec<Leaf> = self.pending.iter().map(|p| p.leaf().clone()).collect();
        leaves.extend(self.objections.leaves().cloned());
        // Opening another shard takes a number before theirs.
        let head = if leaves.is_empty() {
            head
        } else {
            head.turn(tx, signer, self.now).await.map_err(driver)?
        };
        let sealing = self.seal(head.size(), rng);
        let (appended, sealed) = tokio::join!(head.append(tx, signer, &leaves, self.now), sealing);
        let appended = appended.map_err(driver)?;
        let first = appended.first;
        store::add_records(tx, sealed).await?;
        self.objections.hold(tx).await?;
        let changed = db::changes::next(tx).await?;
        let notes = first + self.pending.len() as u64;
        self.objections.write(tx, keys, notes, changed).await?;
        self.grants.write(tx, first, changed).await?;
        for token in self.tokens.values() {
            store::drop_other_token(tx, token).await?;
        }
        let tokens: Vec<NewToken> = self.tokens.into_values().collect();
        store::add_tokens(tx, &tokens).await?;
        Ok(Written { pending: self.pending, appended })
    }
}

type Tags<'c> = BTreeMap<&'c AppId, BTreeSet<AccountTag>>;

/// The accounts that commands name, by tag and by id.
fn named(commands: &[Command]) -> (Tags<'_>, BTreeSet<SubjectId>) {
    let (mut tags, mut ids) = (Tags::new(), BTreeSet::new());
    for command in commands {
        match command {
            Command::Decide(Decide { app, account, .. })
            | Command::Withdraw(super::Withdrawal { app, account, .. })
            | Command::Object(Objecting { app, account, .. }) => {
                tags.entry(app).or_default().insert(*account);
            }
            Command::Expire(grant) => drop(ids.insert(grant.subject)),
            Command::Outgrow(subject) => drop(ids.insert(*subject)),
        }
    }
    (tags, ids)
}

fn same_choice(live: &Grant, given_at: Timestamp, notice: &NoticeRef) -> bool {
    live.given_at == given_at && live.notice == notice.id && live.notice_version == notice.version
}

pub(super) fn driver(error: LedgerError) -> db::Error {
    match error {
        LedgerError::Db(error) => error,
        LedgerError::OutOfRange | LedgerError::OtherShard | LedgerError::Damaged => {
            db::Error::Damaged("ledger")
        }
    }
}

fn account_driver(error: AccountError) -> db::Error {
    match error {
        AccountError::Db(error) => error,
        AccountError::Unknown | AccountError::Key(_) => db::Error::Damaged("account_keys"),
    }
}
