//! What a person has asked for, on their own page: when, until when an answer is due, and what became of
//! it (GDPR Art. 12(3) and (4)).

use volens_privacy::Timestamp;

use super::request_words::RequestWords;
use super::words::Words;
use crate::app::App;
use crate::db::Tx;
use crate::privacy_centre::Person;
use crate::rights::RightsError;
use crate::rights::requests::{self, AllSaid, Extension, RefusalReason, Request, State};

/// Requests that the page shows, the newest; the export has all.
const SHOWN: usize = 50;

/// One request as the page shows it.
pub(super) struct Requested {
    pub(super) title: &'static str,
    pub(super) state: &'static str,
    /// The class of the badge.
    pub(super) tone: &'static str,
    /// What there is to tell, a sentence each.
    pub(super) told: Vec<String>,
    /// What the person said.
    pub(super) said: Option<String>,
    /// What was answered.
    pub(super) answer: Option<String>,
}

/// Everything the person asked for, the newest first. What cannot be read is logged and left out: it must
/// not stand between anybody and the buttons that take a consent back.
pub(super) async fn requested(app: &App, tx: &mut Tx, person: &Person) -> Vec<Requested> {
    let (words, now) = (Words::of(&person.language), app.now());
    match read(app, tx, person).await {
        Ok((all, mut said, mut answers)) => {
            let newest = all.into_iter().rev().take(SHOWN);
            let shown = newest.map(|request| {
                let of = (request.app.clone(), request.id);
                let (said, answer) = (said.remove(&of), answers.remove(&of));
                Requested { said, answer, ..Requested::new(&request, words, now) }
            });
            shown.collect()
        }
        Err(error) => {
            tracing::error!(%error, "what somebody asked for cannot be read");
            Vec::new()
        }
    }
}

async fn read(
    app: &App,
    tx: &mut Tx,
    person: &Person,
) -> Result<(Vec<Request>, AllSaid, AllSaid), RightsError> {
    let all = requests::of_account(tx, person.subject).await?;
    let said = requests::said_of(tx, &app.keys, person.subject).await?;
    Ok((all, said, requests::answers_of(tx, &app.keys, person.subject).await?))
}

impl Requested {
    fn new(request: &Request, words: &Words, now: Timestamp) -> Self {
        let own = RequestWords::of(words.code);
        let on = |text: &str, at: Timestamp| Words::fill(text, &words.day(at));
        let closed = request.closed_at.unwrap_or(request.received_at);
        let mut told = vec![on(own.asked_on, request.received_at)];
        if let Some((reason, at)) = request.extension {
            told.push(on(own.extended(reason), at));
        }
        let (state, tone) = match request.state {
            State::Open if now > request.due_at => {
                told.push(on(own.was_due, request.due_at));
                told.push(own.complain.to_owned());
                (own.late, "bad")
            }
            State::Open => {
                told.push(on(own.due, request.due_at));
                (own.open, "accent")
            }
            State::Completed => {
                told.push(on(own.met_on, closed));
                (own.met, "good")
            }
            State::Refused => {
                told.push(on(own.refused_on, closed));
                told.extend(own.why(request.outcome.as_deref()).map(ToOwned::to_owned));
                told.push(own.complain.to_owned());
                (own.refused, "bad")
            }
            State::Cancelled => {
                told.push(on(own.cancelled_on, closed));
                (own.cancelled, "")
            }
        };
        Self { title: own.kind(request.kind), state, tone, told, said: None, answer: None }
    }
}

impl RequestWords {
    fn extended(&self, reason: Extension) -> &'static str {
        match reason {
            Extension::Complexity => self.longer_complex,
            Extension::NumberOfRequests => self.longer_many,
        }
    }

    fn why(&self, outcome: Option<&str>) -> Option<&'static str> {
        Some(match RefusalReason::parse(outcome?)? {
            RefusalReason::ManifestlyUnfounded => self.unfounded,
            RefusalReason::Excessive => self.excessive,
            RefusalReason::IdentityUnconfirmed => self.unconfirmed,
            RefusalReason::LegalObligation => self.obliged,
            RefusalReason::DataAccurate => self.accurate,
        })
    }
}
