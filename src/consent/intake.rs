//! Checking a reported decision before it goes to the recorder.
//!
//! Pure. [`Intake::finish`] is slow on purpose and belongs on the stretch pool. The
//! phone number lives in the request, is turned into link tokens if a linking grant is given in the
//! same call, and is gone when the request is dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::Rng;
use serde::Deserialize;
use volens_privacy::Timestamp;
use volens_privacy::claims::{ClaimError, Claims};
use volens_privacy::consent::{Decision, PhoneEvidenceLabel};
use volens_privacy::identity::AppId;
use volens_privacy::keys::{Blinded, Hardened, KeyError, KeyRing, StretchCost, Stretched};
use volens_privacy::notice::{Notice, Notices};
use volens_privacy::phone::{PhoneEncoding, PhoneEvidence, PhoneNumber, PhoneSpace};
use volens_privacy::purpose::PurposeKind;

use super::recorder::{Decide, ItemDecision, PepperedToken, Withdrawal};
use crate::ids::{hex, unhex};

/// How far an app's clock may run ahead of ours.
pub(super) const SKEW: Duration = Duration::from_mins(5);
/// How long ago the app may have verified the number (a number may have a new owner since).
const PHONE_VERIFIED_WITHIN: Duration = Duration::from_hours(90 * 24);
/// Choices in one call; there are fewer purposes, but linking may name several peers.
const ITEMS_MAX: usize = 32;
/// Bytes of evidence kept with a record.
const EVIDENCE_MAX: usize = 4096;

/// What a person chose under one notice, as the app reports it.
#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionsRequest {
    /// The app's own reference of the account.
    #[schema(example = "u-48213")]
    pub account: String,
    /// What the person was shown.
    pub notice: NoticeRequest,
    /// One or more choices; they are recorded together or not at all.
    pub decisions: Vec<DecisionRequest>,
    /// The verified phone number; needed, used and only then looked at when linking is given.
    #[serde(default)]
    pub phone: Option<PhoneRequest>,
    /// When the app asked the person; absent when the person came on their own, for instance to a page
    /// of settings. Asking again too soon after a no is refused (`consent.asked_too_early`). RFC 3339.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub requested_at: Option<Timestamp>,
    /// When the person chose; now, if absent. RFC 3339.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub decided_at: Option<Timestamp>,
    /// Anything the app wants to keep as proof, up to 4 kB; sealed with the record. A member `tcf` is an
    /// IAB TC string, a member `gpp` a string of the Global Privacy Platform, up to 3,500 bytes each:
    /// refused when it cannot be read, kept as what the app claims, and never taken for consent. A member
    /// `jws` is the app's own signature, a detached JWS that names its key: the receipt repeats it.
    #[serde(default)]
    pub evidence: Option<serde_json::Value>,
}

impl DecisionsRequest {
    /// One choice under the text as it was published, with nothing else to say about it.
    pub fn of(account: &str, notice: &Notice, purpose: PurposeKind, decision: Decision) -> Self {
        Self {
            account: account.to_owned(),
            notice: NoticeRequest {
                id: notice.id.clone(),
                version: notice.version,
                language: notice.language.clone(),
                rendered_sha256: hex(&notice.sha256),
            },
            decisions: vec![DecisionRequest {
                purpose: purpose.to_string(),
                peer: None,
                decision: decision.to_string(),
            }],
            phone: None,
            requested_at: None,
            decided_at: None,
            evidence: None,
        }
    }
}

/// Exactly which text was shown.
#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoticeRequest {
    /// Id of the notice.
    #[schema(example = "messages")]
    pub id: String,
    /// Its version.
    #[schema(example = 1)]
    pub version: u32,
    /// The language it was shown in.
    #[schema(example = "en")]
    pub language: String,
    /// SHA-256 of what was rendered (screenshot or UI bundle), lower-case hexadecimal.
    #[schema(example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub rendered_sha256: String,
}

/// One choice.
#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionRequest {
    /// About what: `relevance`, `business_messages`, `cross_app_linking`, …
    #[schema(example = "relevance")]
    pub purpose: String,
    /// The other app, for `cross_app_linking` only.
    #[serde(default)]
    pub peer: Option<String>,
    /// `given` or `refused`.
    #[schema(example = "given")]
    pub decision: String,
}

/// A phone number, plain or in one of the industry's hashed encodings (weaker evidence).
#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PhoneRequest {
    /// The number, in E.164 or as dialled within `region`.
    #[serde(default)]
    #[schema(example = "+4915112345678")]
    pub e164: Option<String>,
    /// ISO 3166-1 alpha-2 region for numbers without a country code; the app's own if absent.
    #[serde(default)]
    pub region: Option<String>,
    /// SHA-256 in the given `encoding`, instead of `e164`.
    #[serde(default)]
    pub sha256: Option<String>,
    /// `google`, `meta` or `uid2`, with `sha256`.
    #[serde(default)]
    pub encoding: Option<String>,
    /// When the app last verified that the number is the person's; within 90 days.
    #[schema(value_type = String)]
    pub verified_at: Timestamp,
}

/// A consent taken back, as the app reports it.
#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WithdrawRequest {
    /// The app's own reference of the account.
    pub account: String,
    /// Which purpose.
    pub purpose: String,
    /// The other app, for `cross_app_linking` only.
    #[serde(default)]
    pub peer: Option<String>,
}

/// Why a report was refused. `code` is stable; `field` says where to look.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct IntakeError {
    /// Stable code.
    pub code: &'static str,
    /// JSON path of the field at fault.
    pub field: String,
    /// One sentence, without the value.
    pub detail: &'static str,
}

fn refuse<T>(
    code: &'static str,
    field: impl Into<String>,
    detail: &'static str,
) -> Result<T, IntakeError> {
    Err(IntakeError { code, field: field.into(), detail })
}

/// How each known app presents phone numbers, and the region of its national numbers.
#[derive(Clone, Default)]
pub struct AppPhones(pub BTreeMap<AppId, (PhoneEncoding, Option<String>)>);

/// A checked report, ready for tokens and the recorder.
pub struct Intake {
    decide: Decide,
    phone: Option<PhoneEvidence>,
    spaces: BTreeMap<AppId, PhoneSpace>,
}

impl Intake {
    /// Checks a report of `app` at `now`.
    pub fn check(
        request: DecisionsRequest,
        app: &AppId,
        apps: &AppPhones,
        keys: &KeyRing,
        notices: &Notices,
        now: Timestamp,
    ) -> Result<Self, IntakeError> {
        let time_told = request.decided_at.is_some();
        let decided_at = request.decided_at.unwrap_or(now);
        if decided_at > now.plus(SKEW) {
            return refuse("time.in_future", "decided_at", "the decision lies in the future");
        }
        if request.requested_at.is_some_and(|requested| requested > decided_at) {
            return refuse("time.asked_after", "requested_at", "asked after the decision");
        }
        if let Some(evidence) = &request.evidence {
            Claims::read(evidence).map_err(claim_error)?;
        }
        let evidence = request.evidence.as_ref().map_or(0, |e| e.to_string().len());
        if evidence > EVIDENCE_MAX {
            return refuse("evidence.too_large", "evidence", "evidence may have 4096 bytes");
        }
        let shown = &request.notice;
        let Some(notice) = notices.get(&shown.id, shown.version, &shown.language) else {
            return refuse(
                "notice.unknown",
                "notice",
                "no notice was published with this id, version and language",
            );
        };
        let Some(rendered) = unhex::<32>(&shown.rendered_sha256) else {
            let detail = "expected 64 lower-case hexadecimal digits";
            return refuse("notice.rendered_sha256", "notice.rendered_sha256", detail);
        };
        let items = items(&request.decisions, app, apps, &notice.purposes, now, decided_at)?;
        let linking: Vec<&AppId> = items
            .iter()
            .filter(|item| item.decision == Decision::Given)
            .filter_map(|item| item.peer.as_ref())
            .collect();
        let (phone, label) = match (linking.is_empty(), &request.phone) {
            (true, _) => (None, None),
            (false, None) => {
                return refuse(
                    "phone.required",
                    "phone",
                    "linking needs the verified phone number",
                );
            }
            (false, Some(phone)) => evidence_of(phone, app, apps, now)?,
        };
        let spaces = spaces(app, apps, &linking, phone.as_ref())?;
        let decide = Decide {
            app: app.clone(),
            account: keys.account_tag(app, &request.account),
            notice: notice.reference(Some(rendered)),
            requested_at: request.requested_at,
            decided_at,
            time_told,
            from_evidence: false,
            gatekeeper: false,
            evidence: request.evidence,
            phone: label,
            items,
        };
        Ok(Self { decide, phone, spaces })
    }

    /// Whether anything is consented to.
    pub fn gives(&self) -> bool {
        self.decide.items.iter().any(|item| item.decision == Decision::Given)
    }

    /// Whether [`Intake::finish`] will be slow.
    pub fn needs_stretching(&self) -> bool {
        self.phone.is_some()
    }

    /// The number, blinded for the pepper process once per encoding in use; nothing when there is
    /// no number or the ring holds all of its pepper.
    pub fn blind(&self, keys: &KeyRing, rng: &mut dyn Rng) -> Option<(Vec<PhoneSpace>, Blinded)> {
        let phone = self.phone.as_ref()?;
        let spaces: BTreeSet<PhoneSpace> = self.spaces.values().copied().collect();
        let each = spaces.into_iter().filter_map(|space| Some((space, phone.in_space(space)?)));
        let (spaces, numbers): (Vec<_>, Vec<_>) = each.unzip();
        Some((spaces, keys.blind(&numbers, rng)?))
    }

    /// Stretches the number, once per encoding in use, into one token per linking grant, and lets
    /// go of it. Tens of milliseconds: call it on the stretch pool if
    /// [`Intake::needs_stretching`].
    ///
    /// # Errors
    /// [`KeyError::PepperElsewhere`] when there is a number and a process holds a part of the pepper.
    pub fn finish(self, keys: &KeyRing, cost: &StretchCost) -> Result<Decide, KeyError> {
        let Self { mut decide, phone, spaces } = self;
        let Some(phone) = phone else { return Ok(decide) };
        let mut stretched = BTreeMap::new();
        for space in spaces.values() {
            if let Some(number) = phone.in_space(*space)
                && !stretched.contains_key(space)
            {
                stretched.insert(*space, keys.stretch(&number, cost)?);
            }
        }
        add_tokens(&mut decide, &spaces, keys, &stretched);
        Ok(decide)
    }

    /// The same with what the pepper process made of the number, which is let go of unread.
    pub fn finish_hardened(
        self,
        keys: &KeyRing,
        hardened: &BTreeMap<PhoneSpace, Hardened>,
        cost: &StretchCost,
    ) -> Decide {
        let Self { mut decide, phone, spaces } = self;
        drop(phone);
        let stretched = hardened.iter().map(|(space, value)| (*space, value.stretch(cost)));
        add_tokens(&mut decide, &spaces, keys, &stretched.collect());
        decide
    }
}

/// One token per linking grant.
fn add_tokens(
    decide: &mut Decide,
    spaces: &BTreeMap<AppId, PhoneSpace>,
    keys: &KeyRing,
    stretched: &BTreeMap<PhoneSpace, Stretched>,
) {
    for item in decide.items.iter_mut().filter(|item| item.decision == Decision::Given) {
        let Some(peer) = &item.peer else { continue };
        let Some((space, slow)) = spaces.get(peer).and_then(|space| stretched.get_key_value(space))
        else {
            continue;
        };
        let token = keys.link_token(slow, &decide.app, peer, *space);
        item.token = Some(PepperedToken { token, pepper: slow.pepper() });
    }
}

fn items(
    decisions: &[DecisionRequest],
    app: &AppId,
    apps: &AppPhones,
    covered: &[PurposeKind],
    now: Timestamp,
    decided_at: Timestamp,
) -> Result<Vec<ItemDecision>, IntakeError> {
    if decisions.is_empty() || decisions.len() > ITEMS_MAX {
        return refuse("decisions.count", "decisions", "expected 1 to 32 decisions");
    }
    let mut items: Vec<ItemDecision> = Vec::with_capacity(decisions.len());
    for (index, request) in decisions.iter().enumerate() {
        let at = |name: &str| format!("decisions[{index}].{name}");
        let (purpose, peer) =
            about(&request.purpose, request.peer.as_deref(), app, |name| at(name))?;
        if peer.as_ref().is_some_and(|peer| !apps.0.contains_key(peer)) {
            return refuse("peer.unknown", at("peer"), "no such app takes part");
        }
        if !covered.contains(&purpose) {
            let detail = "the notice that was shown does not ask for this purpose";
            return refuse("notice.does_not_cover", at("purpose"), detail);
        }
        let decision = match request.decision.as_str() {
            "given" => Decision::Given,
            "refused" => Decision::Refused,
            _ => {
                let detail = "expected `given` or `refused`";
                return refuse("decision.unknown", at("decision"), detail);
            }
        };
        if decision == Decision::Given && decided_at.plus(purpose.definition().lasts()) <= now {
            let detail = "a consent this old has expired";
            return refuse("consent.expired", "decided_at", detail);
        }
        if items.iter().any(|item| item.purpose == purpose && item.peer == peer) {
            let detail = "the same purpose stands twice";
            return refuse("decisions.repeated", at("purpose"), detail);
        }
        items.push(ItemDecision { purpose, peer, decision, token: None });
    }
    Ok(items)
}

/// Reads purpose and peer of a decision in `app`, which belong together; `at` says where a field is.
pub fn about(
    purpose: &str,
    peer: Option<&str>,
    app: &AppId,
    at: impl Fn(&str) -> String,
) -> Result<(PurposeKind, Option<AppId>), IntakeError> {
    let Ok(purpose) = purpose.parse::<PurposeKind>() else {
        return refuse("purpose.unknown", at("purpose"), "no such purpose");
    };
    match (purpose.definition().needs_peer(), peer) {
        (true, Some(peer)) => match AppId::parse(peer) {
            Ok(peer) if peer != *app => Ok((purpose, Some(peer))),
            _ => refuse("peer.unknown", at("peer"), "expected another app that takes part"),
        },
        (false, None) => Ok((purpose, None)),
        (true, None) => refuse("peer.required", at("peer"), "linking names the other app"),
        (false, Some(_)) => refuse("peer.unexpected", at("peer"), "only linking names a peer"),
    }
}

type Presented = (Option<PhoneEvidence>, Option<PhoneEvidenceLabel>);

fn evidence_of(
    phone: &PhoneRequest,
    app: &AppId,
    apps: &AppPhones,
    now: Timestamp,
) -> Result<Presented, IntakeError> {
    if phone.verified_at > now.plus(SKEW) || now.since(phone.verified_at) > PHONE_VERIFIED_WITHIN {
        let detail = "the number must have been verified within the last 90 days";
        return refuse("phone.unverified", "phone.verified_at", detail);
    }
    let evidence = match (&phone.e164, &phone.sha256, &phone.encoding) {
        (Some(number), None, None) => {
            let own = apps.0.get(app).and_then(|(_, region)| region.as_deref());
            let region = phone.region.as_deref().or(own);
            PhoneNumber::parse(number, region)
                .map(PhoneEvidence::from)
                .map_err(|error| phone_error(error, "phone.e164"))?
        }
        (None, Some(digest), Some(encoding)) => {
            let Ok(encoding) = encoding.parse::<PhoneEncoding>() else {
                let detail = "expected `google`, `meta` or `uid2`";
                return refuse("phone.encoding", "phone.encoding", detail);
            };
            PhoneEvidence::hashed(digest, encoding)
                .map_err(|error| phone_error(error, "phone.sha256"))?
        }
        _ => {
            let detail = "expected either `e164`, or `sha256` with `encoding`";
            return refuse("phone.ambiguous", "phone", detail);
        }
    };
    let label =
        PhoneEvidenceLabel { encoding: evidence.encoding(), verified_at: Some(phone.verified_at) };
    Ok((Some(evidence), Some(label)))
}

fn claim_error(error: ClaimError) -> IntakeError {
    let field = format!("evidence.{}", error.member());
    IntakeError { code: error.code(), field, detail: error.detail() }
}

fn phone_error(error: volens_privacy::phone::PhoneError, field: &str) -> IntakeError {
    let detail = "not a valid phone number in the encoding that is claimed";
    IntakeError { code: error.code(), field: field.to_owned(), detail }
}

/// The form of the number that both apps of a pair can produce: digits alone when either of them
/// only has Meta's hash, with the leading plus otherwise.
fn spaces(
    app: &AppId,
    apps: &AppPhones,
    linking: &[&AppId],
    phone: Option<&PhoneEvidence>,
) -> Result<BTreeMap<AppId, PhoneSpace>, IntakeError> {
    let meta =
        |app: &AppId| apps.0.get(app).is_some_and(|(encoding, _)| *encoding == PhoneEncoding::Meta);
    let mut spaces = BTreeMap::new();
    for peer in linking {
        let space = if meta(app) || meta(peer) { PhoneSpace::Digits } else { PhoneSpace::Plus };
        if phone.is_some_and(|phone| phone.in_space(space).is_none()) {
            let detail = "the two apps' encodings of the number cannot be compared";
            return refuse("phone.encoding_incompatible", "phone", detail);
        }
        spaces.insert((*peer).clone(), space);
    }
    Ok(spaces)
}

impl WithdrawRequest {
    /// Checks a withdrawal reported by `app` at `now`. Nothing but an unreadable purpose or peer
    /// is refused: whoever wants out gets out.
    pub fn check(
        self,
        app: &AppId,
        keys: &KeyRing,
        now: Timestamp,
    ) -> Result<Withdrawal, IntakeError> {
        let (purpose, peer) = about(&self.purpose, self.peer.as_deref(), app, ToOwned::to_owned)?;
        let account = keys.account_tag(app, &self.account);
        Ok(Withdrawal {
            app: app.clone(),
            account,
            purpose,
            peer,
            decided_at: now,
            from_evidence: false,
            evidence: None,
        })
    }
}
