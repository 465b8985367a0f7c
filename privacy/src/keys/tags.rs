//! Keyed names: tags of accounts, recipients, messages and callers, and link tokens.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::derive::{KeyedHash, hmac, siv_open, siv_seal};
use super::ring::Root;
use super::{KeyDomain, KeyError, KeyRing};
use crate::encoding::length_prefixed;
use crate::identity::{
    AccountTag, AppId, BusinessId, LinkToken, RecipientId, SubjectId, SuppressionTag,
};
use crate::phone::{CanonicalPhone, PhoneSpace};
use crate::redact::hide_debug;

/// What one stretching costs. Part of the result: another cost gives other tokens, and no links
/// between old and new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StretchCost {
    /// Memory in KiB; values under Argon2's minimum of 8 count as 8.
    pub memory_kib: u32,
    /// Passes over the memory; 0 counts as 1.
    pub passes: u32,
}

impl Default for StretchCost {
    /// The OWASP minimum for Argon2id: 19 MiB, two passes, one lane.
    fn default() -> Self {
        Self { memory_kib: 19_456, passes: 2 }
    }
}

/// A stretched phone number, the expensive half of a link token.
#[derive(ZeroizeOnDrop)]
pub struct Stretched {
    bytes: [u8; 32],
    /// What it was stretched with; the token is made with the same.
    #[zeroize(skip)]
    pepper: Arc<Root>,
}

impl Stretched {
    /// The version of the `pepper` root it was stretched with. Tokens of different versions never
    /// link.
    pub fn pepper(&self) -> u32 {
        self.pepper.version
    }
}

hide_debug!(Stretched);

/// Names accounts as [`KeyRing::recipient`] does, with the key of one business at hand.
pub struct Recipients(KeyedHash);

impl Recipients {
    /// The id under which the business sees this account.
    pub fn id(&self, subject: SubjectId) -> RecipientId {
        RecipientId::from_bytes(first_half(self.0.of(&[subject.as_bytes()])))
    }
}

hide_debug!(Recipients);

/// Hashes as [`KeyRing::caller_hash`] does, with the key of one label at hand.
pub struct CallerHasher(KeyedHash);

impl CallerHasher {
    /// Of the concatenated parts.
    pub fn hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.0.of(parts)
    }
}

hide_debug!(CallerHasher);

impl KeyRing {
    /// The tag an account is found by.
    ///
    /// Two layers: the inner HMAC hides the reference, the outer AES-256-SIV can be rotated without
    /// knowing any reference. Different apps use different keys for both.
    pub fn account_tag(&self, app: &AppId, reference: &str) -> AccountTag {
        let inner = self.hidden_reference(app, reference);
        let label = format!("app/{app}");
        AccountTag::from_bytes(self.outer_layer(&label, app.as_str().as_bytes(), &inner))
    }

    /// What an objection of the account that `app` calls `reference` is remembered by.
    pub fn suppression_tag_of(&self, app: &AppId, reference: &str) -> SuppressionTag {
        self.suppression(app, &self.hidden_reference(app, reference))
    }

    /// The same from the account's tag, without knowing the reference: the outer layer is opened,
    /// the inner value goes under a key that is used for nothing else. Rotating the outer layer
    /// changes nothing here.
    ///
    /// # Errors
    /// [`KeyError::Unopenable`] when the tag was not made by this ring for this app.
    pub fn suppression_tag(
        &self,
        app: &AppId,
        tag: &AccountTag,
    ) -> Result<SuppressionTag, KeyError> {
        let label = format!("wrap/app/{app}");
        let inner = self.outer_versions().into_iter().find_map(|root| {
            let context: [&[u8]; 2] = [app.as_str().as_bytes(), &root.version.to_be_bytes()];
            let inner = siv_open(&root.sub_key::<64>(&label), &context, tag.as_bytes())?;
            <[u8; 32]>::try_from(inner.as_slice()).ok()
        });
        Ok(self.suppression(app, &inner.ok_or(KeyError::Unopenable)?))
    }

    fn suppression(&self, app: &AppId, inner: &[u8; 32]) -> SuppressionTag {
        let key = self.active(KeyDomain::Prf).sub_key::<32>(&format!("prf/suppress/{app}"));
        SuppressionTag::from_bytes(hmac(&*key, &[inner]))
    }

    fn hidden_reference(&self, app: &AppId, reference: &str) -> [u8; 32] {
        let key = self.active(KeyDomain::Prf).sub_key::<32>(&format!("prf/app/{app}"));
        let length = u32::try_from(reference.len()).unwrap_or(u32::MAX).to_be_bytes();
        hmac(&*key, &[b"ref", &length, reference.as_bytes()])
    }

    /// A tag of the id that an app gave a message, to recognise it when it is told again.
    pub fn message_tag(&self, app: &AppId, message: &str) -> [u8; 16] {
        let key = self.active(KeyDomain::Prf).sub_key::<32>(&format!("prf/message/{app}"));
        first_half(hmac(&*key, &[message.as_bytes()]))
    }

    /// A tag of a message id that an app sent of one account, to recognise it when it is sent again. The
    /// `salt` is kept sealed with the account's profile: without it nobody can tell whose a tag is, and
    /// once it is gone not even we.
    pub fn signal_tag(&self, app: &AppId, salt: &[u8; 16], message: &str) -> [u8; 16] {
        let key = self.active(KeyDomain::Prf).sub_key::<32>(&format!("prf/signal/{app}"));
        first_half(hmac(&*key, &[salt, message.as_bytes()]))
    }

    /// The id under which one business sees an account.
    pub fn recipient(&self, business: BusinessId, subject: SubjectId) -> RecipientId {
        self.recipients(business).id(subject)
    }

    /// The same for many accounts.
    pub fn recipients(&self, business: BusinessId) -> Recipients {
        let key = self.active(KeyDomain::Prf).sub_key::<32>(&format!("prf/recipient/{business}"));
        Recipients(KeyedHash::new(&*key))
    }

    /// What is stored of a caller's secret (API key, session, sign-in link). `label` separates
    /// the kinds.
    pub fn caller_hash(&self, label: &str, secret: &[u8]) -> [u8; 32] {
        self.caller_hasher(label).hash(&[secret])
    }

    /// The same for many secrets of one kind, each the concatenation of its parts.
    pub fn caller_hasher(&self, label: &str) -> CallerHasher {
        let key = self.active(KeyDomain::Prf).sub_key::<32>(&format!("prf/caller/{label}"));
        CallerHasher(KeyedHash::new(&*key))
    }

    /// The tag by which an erased account is known again in an old copy of the database. It is
    /// made from the account's random id, not from its reference, so that nobody who comes back
    /// is recognised by it.
    pub fn erasure_tag(&self, subject: SubjectId) -> [u8; 16] {
        let key = self.active(KeyDomain::Prf).sub_key::<32>("prf/erasure");
        first_half(hmac(&*key, &[subject.as_bytes()]))
    }

    /// Stretches a phone number with Argon2id (RFC 9106), keyed and salted by the ring.
    ///
    /// Takes tens of milliseconds and the cost's memory: run it on a bounded pool of its own.
    ///
    /// # Errors
    /// [`KeyError::PepperElsewhere`] when a process holds a part of the pepper: then a number goes
    /// through [`KeyRing::blind`], and nothing can be made of it here alone.
    pub fn stretch(
        &self,
        phone: &CanonicalPhone,
        cost: &StretchCost,
    ) -> Result<Stretched, KeyError> {
        let pepper = self.active(KeyDomain::Pepper);
        match pepper.process {
            None => Ok(stretch(pepper, phone.as_bytes(), *cost)),
            Some(_) => Err(KeyError::PepperElsewhere),
        }
    }

    /// The link token of a number for one pair of apps, the same from either side.
    ///
    /// With `d = pair/cross_app_linking/<lesser app>/<greater app>`:
    /// `AES-256-SIV(wrap/d, (d, version), HMAC-SHA256(prf/d, d ‖ space ‖ stretched))`, each part of
    /// the HMAC preceded by its length.
    pub fn link_token(
        &self,
        stretched: &Stretched,
        own: &AppId,
        peer: &AppId,
        space: PhoneSpace,
    ) -> LinkToken {
        let pair = pair(own, peer);
        let key = stretched.pepper.sub_key::<32>(&format!("prf/{pair}"));
        let parts: [&[u8]; 3] = [pair.as_bytes(), space.as_str().as_bytes(), &stretched.bytes];
        let inner = hmac(&*key, &[&Zeroizing::new(length_prefixed(&parts))]);
        LinkToken::from_bytes(self.outer_layer(&pair, pair.as_bytes(), &inner))
    }

    /// The tag under the active version of the outer layer, made from the tag under the version
    /// `from`; nothing when it is no tag of that version.
    pub fn rewrap_tag(&self, from: u32, app: &AppId, tag: &AccountTag) -> Option<AccountTag> {
        let (label, context) = (format!("app/{app}"), app.as_str().as_bytes());
        let inner = self.inner_layer(from, &label, context, tag.as_bytes())?;
        Some(AccountTag::from_bytes(self.outer_layer(&label, context, &inner)))
    }

    /// The token under the active version of the outer layer, made from the token under the version
    /// `from`; nothing when it is no token of that version. Needs no phone number.
    pub fn rewrap_token(
        &self,
        from: u32,
        own: &AppId,
        peer: &AppId,
        token: &LinkToken,
    ) -> Option<LinkToken> {
        let pair = pair(own, peer);
        let inner = self.inner_layer(from, &pair, pair.as_bytes(), token.as_bytes())?;
        Some(LinkToken::from_bytes(self.outer_layer(&pair, pair.as_bytes(), &inner)))
    }

    fn outer_layer(&self, label: &str, context: &[u8], inner: &[u8; 32]) -> [u8; 48] {
        let root = self.active(KeyDomain::Wrap);
        siv_seal(&outer_key(&root, label), &[context, &root.version.to_be_bytes()], inner)
            .try_into()
            .expect("AES-SIV adds 16 bytes to 32")
    }

    fn inner_layer(
        &self,
        version: u32,
        label: &str,
        context: &[u8],
        sealed: &[u8; 48],
    ) -> Option<Zeroizing<[u8; 32]>> {
        let root = self.version(KeyDomain::Wrap, version).ok()?;
        let context = [context, &version.to_be_bytes()];
        let inner = siv_open(&outer_key(&root, label), &context, sealed)?;
        inner.as_slice().try_into().ok().map(Zeroizing::new)
    }
}

/// Argon2id (RFC 9106) of a number, or of what the pepper process made of it.
pub(super) fn stretch(pepper: Arc<Root>, input: &[u8], cost: StretchCost) -> Stretched {
    let secret = pepper.sub_key::<32>("argon2-secret/link");
    let salt = pepper.sub_key::<16>("argon2-salt/link");
    let params = Params::new(
        cost.memory_kib.max(Params::MIN_M_COST),
        cost.passes.max(Params::MIN_T_COST),
        1,
        Some(32),
    )
    .expect("one lane, 32 bytes and costs of at least the minimum");
    let argon = Argon2::new_with_secret(&*secret, Algorithm::Argon2id, Version::V0x13, params)
        .expect("the secret is 32 bytes long");
    let mut stretched = Stretched { bytes: [0; 32], pepper };
    argon
        .hash_password_into(input, &*salt, &mut stretched.bytes)
        .expect("input, salt and output have fixed lengths within Argon2's bounds");
    stretched
}

fn outer_key(root: &Root, label: &str) -> Zeroizing<[u8; 64]> {
    root.sub_key(&format!("wrap/{label}"))
}

/// The name of a pair of apps, the same from either side.
fn pair(own: &AppId, peer: &AppId) -> String {
    let (lesser, greater) = if own <= peer { (own, peer) } else { (peer, own) };
    format!("pair/cross_app_linking/{lesser}/{greater}")
}

fn first_half(mac: [u8; 32]) -> [u8; 16] {
    *mac.first_chunk().expect("an HMAC-SHA256 has 32 bytes")
}
