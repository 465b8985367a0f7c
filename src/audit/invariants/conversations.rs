//! I-14: every conversation begins by saying that a machine speaks.

use super::{Finding, Look};
use crate::assistant::transcript;
use crate::audit::AuditError;
use crate::ids::hex;

/// Conversations opened together.
const PAGE: u32 = 256;

/// The first message of each conversation, opened, is the label in the language it is held in.
pub(super) async fn check(look: &mut Look<'_>) -> Result<(), AuditError> {
    let mut after = None;
    loop {
        let page = transcript::beginnings(look.tx, look.keys, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some((last.bot, last.conversation));
        look.looked(page.len() as u64);
        for beginning in page.iter().filter(|beginning| !beginning.labelled) {
            let place = format!("conversation {}", hex(beginning.conversation.as_bytes()));
            look.found(Finding::new("conversation.unlabelled").at(place));
        }
    }
}
