//! I-8: nothing about health, belief, politics, sexual life, origin or union membership anywhere.

use volens_models::artifact::Artifact;
use volens_privacy::topics::{TopicRefusal, Topics};
use volens_privacy::{SubjectId, Timestamp};

use super::{Finding, Look, store};
use crate::accounts::AccountError;
use crate::audience::FilterIn;
use crate::audit::AuditError;
use crate::ids::hex;
use crate::signals::{self, About, Profile, SignalError};

/// Profiles opened together, campaigns and lists read together.
const PAGE: u32 = 256;

/// Campaigns, filters of lists, columns of models in use, and what is in the profiles.
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
    profiles(look).await
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
        match signals::profiles(look.tx, look.keys, &page).await {
            Ok(opened) => opened.iter().for_each(|(subject, profile)| one(look, *subject, profile)),
            Err(error) => one_by_one(look, error, &page).await?,
        }
    }
}

/// Some profile of the page does not open: find out whose.
async fn one_by_one(
    look: &mut Look<'_>,
    error: SignalError,
    page: &[SubjectId],
) -> Result<(), AuditError> {
    unless_database(error)?;
    for subject in page {
        match signals::profiles(look.tx, look.keys, &[*subject]).await {
            Ok(opened) => opened.values().for_each(|profile| one(look, *subject, profile)),
            Err(error) => {
                unless_database(error)?;
                look.found(Finding::new("topics.unreadable").of(*subject));
            }
        }
    }
    Ok(())
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
    if by_day || profile.interests(beginning).any(|(topic, _)| is_sensitive(topic)) {
        look.found(Finding::new("topic.sensitive").of(subject));
    }
}
