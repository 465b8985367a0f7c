//! I-12: nothing is kept longer than what it is for.

use std::time::Duration;

use super::{Finding, Look, lifetimes, runs, store, store_kept, topics};
use crate::assistant::conversation;
use crate::audience::recalls;
use crate::audit::AuditError;
use crate::db::Statement;
use crate::readings::openings;
use crate::rights::requests;
use crate::signals::MAX_AGE_DAYS;
use crate::{config, jobs, privacy_centre};

/// What finds rows that are there too long.
pub(super) enum Late {
    /// Of accounts, which are examples.
    OfAccounts(Statement),
    /// Of others, which are counted.
    Counted(Statement),
}

use Late::{Counted, OfAccounts};

const fn days(days: u64) -> Duration {
    Duration::from_hours(24 * days)
}

/// Profiles opened together.
const PAGE: u32 = 256;
/// Old days leave a profile every night; one may be missed.
const NIGHTS: Duration = days(2);

#[cfg(test)]
const LEDGER: &str = "the ledger only grows; it holds no personal data (GDPR Art. 5(2), 7(1))";
#[cfg(test)]
const OWN_WORDS: &str = "a business's own words, until it deletes them";
#[cfg(test)]
const SEALED_LISTS: &str = "what a sealed list can be checked by; it names nobody";
#[cfg(test)]
const REFERENCE: &str = "of those who work with the service, until they are removed";

/// Tables whose rows are kept for a time, and what finds those behind it. A test compares these and the
/// others with the schema.
pub(super) const LIMITS: &[(&str, Duration, Late)] = &[
    ("audit_runs", runs::KEPT.saturating_add(NIGHTS), Counted(store_kept::LATE_RUNS)),
    ("conversations", conversation::KEPT, Counted(store_kept::LATE_CONVERSATIONS)),
    ("grants", Duration::ZERO, OfAccounts(store_kept::LATE_GRANTS)),
    ("idempotency_keys", config::LONGEST, Counted(store_kept::LATE_ANSWERS)),
    ("jobs", jobs::KEPT, Counted(store_kept::LATE_JOBS)),
    ("list_rows", Duration::ZERO, OfAccounts(store_kept::LATE_ROWS)),
    ("openings", openings::KEPT, OfAccounts(store_kept::LATE_OPENINGS)),
    ("privacy_links", privacy_centre::GRACE, OfAccounts(store_kept::LATE_PRIVACY_LINKS)),
    ("recalls", recalls::KEPT, Counted(store_kept::LATE_RECALLS)),
    ("scores", Duration::ZERO, OfAccounts(store_kept::LATE_SCORES)),
    ("sessions", config::LONGEST, Counted(store_kept::LATE_SESSIONS)),
    ("sign_in_links", Duration::ZERO, Counted(store_kept::LATE_SIGN_IN_LINKS)),
    // A sweep forgets by whole days.
    ("signal_refusals", days(MAX_AGE_DAYS + 3), Counted(store_kept::LATE_REFUSALS)),
    ("signal_tags", days(MAX_AGE_DAYS + 1), Counted(store_kept::LATE_TAGS)),
    ("subject_requests", requests::KEPT, Counted(store_kept::LATE_REQUESTS)),
];

/// Tables whose rows are kept as long as what they belong to: the database removes both together.
#[cfg(test)]
pub(super) const WITH: &[(&str, &str)] = &[
    ("account_keys", "accounts"),
    ("account_references", "accounts"),
    ("awaited_purchases", "exposures"),
    ("bot_passages", "bot_versions"),
    ("consent_records", "accounts"),
    ("conversation_feedback", "conversation_messages"),
    ("conversation_messages", "conversations"),
    ("corrections", "accounts"),
    ("exposures", "grants"),
    ("link_tokens", "grants"),
    ("list_loans", "grants"),
    ("list_stops", "accounts"),
    ("model_members", "grants"),
    ("outcomes", "exposures"),
    ("profiles", "grants"),
    ("restrictions", "accounts"),
    ("subject_request_accounts", "accounts"),
];

/// Tables whose rows are kept without an end, and why.
#[cfg(test)]
pub(super) const ALWAYS: &[(&str, &str)] = &[
    ("accounts", "until erased, by the person or their app (GDPR Art. 17)"),
    ("api_keys", REFERENCE),
    ("apps", REFERENCE),
    ("assessments", "hashes of documents (GDPR Art. 35), which name nobody"),
    ("audit_nights", "a day each, which names nobody"),
    ("bot_documents", OWN_WORDS),
    ("bot_versions", OWN_WORDS),
    ("bots", OWN_WORDS),
    ("businesses", REFERENCE),
    ("campaigns", OWN_WORDS),
    ("canaries", "a day each, and counts; each look forgets those of a month ago"),
    ("counters", "numbers of changes, which name nobody"),
    ("erasures", "keyed tags that make a restored backup forget the erased again"),
    ("import_runs", "counts of imports, which name nobody"),
    ("incidents", "breaches are documented for the authority (GDPR Art. 33(5))"),
    ("key_checks", "of the key ring, until a root is destroyed"),
    ("key_fences", "of the key ring, one row each"),
    ("key_nodes", "processes, by random ids, which the next one forgets"),
    ("ledger_checkpoints", LEDGER),
    ("ledger_cosignatures", LEDGER),
    ("ledger_entries", LEDGER),
    ("ledger_heads", LEDGER),
    ("ledger_nodes", LEDGER),
    ("ledger_shards", LEDGER),
    ("list_leaves", SEALED_LISTS),
    ("list_nodes", SEALED_LISTS),
    ("list_served", "how far a list was handed out; it names nobody"),
    ("lists", SEALED_LISTS),
    ("model_leaves", "what a manifest can be checked by; it names nobody"),
    ("models", "figures of many, which name nobody"),
    ("notice_parties", "the texts that consents were given under (GDPR Art. 7(1))"),
    ("notices", "the texts that consents were given under (GDPR Art. 7(1))"),
    ("reach_answers", "counts with noise, which name nobody"),
    ("readings", "who read about people, without whom; the ledger's entries are counted by them"),
    ("recipient_stops", "a stop holds until the account is erased"),
    ("removed_accounts", "random ids of nobody, until every process has forgotten them"),
    ("suppressions", "an objection outlives the account (GDPR Art. 21(3))"),
    ("users", REFERENCE),
];

/// Every table that has a limit, and the days that profiles count by.
pub(super) async fn check(look: &mut Look<'_>) -> Result<(), AuditError> {
    let ended = lifetimes::swept_before(look.now);
    for (done, (table, lasts, late)) in LIMITS.iter().enumerate() {
        look.progress(done as u64, LIMITS.len() as u64);
        look.looked(1);
        let before = vec![ended.minus(*lasts).into()];
        let code = || format!("{table}.run_out");
        match late {
            OfAccounts(late) => {
                look.must_be_empty(*late, before, |row| {
                    Ok(Finding::new(code()).of(row.get("subject")?))
                })
                .await?;
            }
            Counted(late) => {
                look.must_be_empty(*late, before, |_| Ok(Finding::new(code()))).await?;
            }
        }
    }
    counts_by_day(look).await
}

/// What somebody did on a day is forgotten after some weeks, whatever became of them since. Profiles that
/// do not open are another invariant's matter (I-8).
async fn counts_by_day(look: &mut Look<'_>) -> Result<(), AuditError> {
    let nights_ago = look.now.minus(NIGHTS);
    let mut after = Vec::new();
    loop {
        let page = store::profiled_after(look.tx, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.as_bytes().to_vec();
        for (subject, profile) in topics::opened(look, &page).await? {
            look.looked(1);
            if profile.is_some_and(|mut profile| profile.forget_days(nights_ago)) {
                look.found(Finding::new("profile.old_days").of(subject));
            }
        }
    }
}
