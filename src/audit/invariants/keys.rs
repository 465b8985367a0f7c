//! I-17: the key ring is the one that everything was written with.

use volens_privacy::keys::KeyCheck;

use super::{Finding, Look, store};
use crate::access::key_ring;
use crate::audit::AuditError;

/// The ring's root for wrapping keys.
const WRAPPING: &str = "kek";
/// The ring's root for the numbers in link tokens. A retired one is accepted for as long as the ring holds
/// it; its tokens go with it.
const PEPPER: &str = "pepper";

/// Shape of the ring, its check values, and the versions that wrapped keys, link tokens and fences name.
pub(super) async fn check(look: &mut Look<'_>) -> Result<(), AuditError> {
    if let Err(error) = look.keys.check_shape() {
        look.found(Finding::new(error.code()));
    }
    let stored = key_ring::stored(look.tx).await?;
    let own = look.keys.checks();
    look.looked((stored.len() + own.len()) as u64);
    for check in &stored {
        if let Err(error) = look.keys.verify_checks(std::slice::from_ref(check)) {
            let place = format!("{} version {}", check.domain, check.version);
            look.found(Finding::new(error.code()).at(place));
        }
    }
    for check in &look.keys.binding_checks() {
        let same = |old: &KeyCheck| old.domain == check.domain && old.version == check.version;
        if !stored.iter().any(same) {
            let place = format!("{} version {}", check.domain, check.version);
            look.found(Finding::new("keys.unbound").at(place));
        }
    }
    for (version, wrapped) in store::wrapping_versions(look.tx).await? {
        look.looked(wrapped);
        if !version.is_some_and(|version| holds(&own, WRAPPING, version)) {
            look.found(Finding::new("keys.version_missing").at(WRAPPING));
            look.more(wrapped - 1);
        }
    }
    for (version, tokens) in store::pepper_versions(look.tx).await? {
        look.looked(tokens);
        if !holds(&own, PEPPER, version) {
            look.found(Finding::new("keys.version_missing").at(PEPPER));
            look.more(tokens - 1);
        }
    }
    for (domain, version) in store::fences(look.tx).await? {
        look.looked(1);
        if !holds(&own, &domain, version) {
            look.found(Finding::new("keys.fence_missing").at(domain));
        }
    }
    Ok(())
}

fn holds(own: &[KeyCheck], domain: &str, version: u32) -> bool {
    own.iter().any(|check| check.domain == domain && check.version == version)
}
