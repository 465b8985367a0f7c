//! I-8: nothing about health, belief, politics, sexual life, origin or union membership anywhere.

use std::collections::BTreeMap;

use volens_models::artifact::Artifact;
use volens_privacy::topics::{TopicRefusal, Topics};
use volens_privacy::{SubjectId, Timestamp};

use super::{Finding, Look, store, store_handed};
use crate::accounts::AccountError;
use crate::audience::FilterIn;
use crate::audience::seal::Reason;
use crate::audit::AuditError;
use crate::ids::hex;
use crate::signals::{self, About, Profile, SignalError};

/// Profiles opened together, campaigns and lists read together.
const PAGE: u32 = 256;

/// Campaigns, filters of lists, columns of models in use, reasons of rows, and what is in the profiles.
pub(super) async fn check(look: &mut Look<'_>) -> Result<(), AuditError> {
    let mut after = Vec::new();
    loop {
        let page = store::campaign_topics(look.tx, after, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = last.to_vec();
        for (campaign, topics) in &page {
            let topics: Option<Vec<String>> = serde_json::from_str(topics).ok();
            named(look, "campaign", campaign, topics);
        }
    }
    let mut after = Vec::new();
    loop {
        let page = store::list_filters(look.tx, after, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = last.to_vec();
        for (list, filter) in &page {
            let filter = serde_json::from_str::<FilterIn>(filter).ok();
            named(look, "list", list, filter.map(|filter| filter.words()));
        }
    }
    let mut after = Vec::new();
    while let Some((model, artifact)) = store::next_model(look.tx, after).await? {
        let artifact = Artifact::from_bytes(&artifact).ok();
        let names = artifact.map(|artifact| {
            artifact
                .model
                .columns()
                .iter()
                .flat_map(|column| parts(&column.name))
                .collect::<Vec<_>>()
        });
        named(look, "model", &model, names);
        after = model.to_vec();
    }
    reasons(look).await?;
    profiles(look).await
}

/// What the rows of lists say about why somebody is on them.
async fn reasons(look: &mut Look<'_>) -> Result<(), AuditError> {
    let mut after = (Vec::new(), Vec::new());
    loop {
        let page = store_handed::reasons(look.tx, after, PAGE).await?;
        let Some((subject, list, _)) = page.last() else { return Ok(()) };
        after = (subject.as_bytes().to_vec(), list.as_bytes().to_vec());
        look.looked(page.len() as u64);
        for (subject, _, reasons) in &page {
            match serde_json::from_str::<Vec<Reason>>(reasons) {
                Err(_) => {
                    look.found(Finding::new("topics.unreadable").of(*subject).at("list_rows"));
                }
                Ok(reasons) => {
                    let mut parts = reasons.iter().flat_map(|reason| parts(&reason.feature));
                    if parts.any(|part| is_sensitive(&part)) {
                        look.found(Finding::new("topic.sensitive").of(*subject).at("list_rows"));
                    }
                }
            }
        }
    }
}

/// A column's name, and what stands in it behind a colon or an equals sign.
fn parts(name: &str) -> Vec<String> {
    name.split([':', '=']).map(str::to_owned).collect()
}

fn is_sensitive(topic: &str) -> bool {
    Topics::builtin().check(topic) == Err(TopicRefusal::Sensitive)
}

/// Notes what is sensitive among the topics that something names; one that cannot be read is not
/// called clean.
fn named(
    look: &mut Look<'_>,
    kind: &str,
    id: &[u8; 16],
    topics: Option<impl IntoIterator<Item = String>>,
) {
    look.looked(1);
    let place = format!("{kind} {}", hex(id));
    match topics {
        None => look.found(Finding::new("topics.unreadable").at(place)),
        Some(topics) => {
            if topics.into_iter().any(|topic| is_sensitive(&topic)) {
                look.found(Finding::new("topic.sensitive").at(place));
            }
        }
    }
}

async fn profiles(look: &mut Look<'_>) -> Result<(), AuditError> {
    let mut after = Vec::new();
    loop {
        let page = store::profiled_after(look.tx, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.as_bytes().to_vec();
        look.looked(page.len() as u64);
        for (subject, profile) in opened(look, &page).await? {
            match profile {
                Some(profile) => one(look, subject, &profile),
                None => look.found(Finding::new("topics.unreadable").of(subject)),
            }
        }
    }
}

/// The profiles of these accounts; nothing for one that does not open.
pub(super) async fn opened(
    look: &mut Look<'_>,
    page: &[SubjectId],
) -> Result<BTreeMap<SubjectId, Option<Profile>>, AuditError> {
    match signals::profiles(look.tx, look.keys, page).await {
        Ok(opened) => return Ok(opened.into_iter().map(|(of, found)| (of, Some(found))).collect()),
        Err(error) => unless_database(error)?,
    }
    // Some profile of the page does not open: find out whose.
    let mut all = BTreeMap::new();
    for subject in page {
        match signals::profiles(look.tx, look.keys, &[*subject]).await {
            Ok(opened) => all.extend(opened.into_iter().map(|(of, found)| (of, Some(found)))),
            Err(error) => {
                unless_database(error)?;
                all.insert(*subject, None);
            }
        }
    }
    Ok(all)
}

fn unless_database(error: SignalError) -> Result<(), AuditError> {
    match error {
        SignalError::Db(error) | SignalError::Account(AccountError::Db(error)) => Err(error.into()),
        SignalError::Consent(_)
        | SignalError::Account(_)
        | SignalError::Key(_)
        | SignalError::Malformed(_) => Ok(()),
    }
}

fn one(look: &mut Look<'_>, subject: SubjectId, profile: &Profile) {
    let beginning = Timestamp::from_micros(0);
    let by_day = profile
        .recent()
        .counts()
        .iter()
        .any(|((_, about), _)| matches!(about, About::Topic(topic) if is_sensitive(topic)));
    let of_trait = |(name, value)| signals::is_sensitive_trait(Topics::builtin(), name, value);
    let said = profile.traits().any(of_trait);
    if by_day || said || profile.interests(beginning).any(|(topic, _)| is_sensitive(topic)) {
        look.found(Finding::new("topic.sensitive").of(subject));
    }
}
