//! The card as one file that needs nothing else: what stands on it, with its plots.

use std::fmt::Write as _;

use crate::artifact::Artifact;
use crate::card::Labels;
use crate::evaluate::{Interval, Metrics};
use crate::model::{Model, Term};
use crate::reliability::escaped;
use crate::segments::Segment;

/// Effects drawn.
const DRAWN: usize = 8;
/// How a page without a sheet of its own looks.
const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse}td,th{padding:.2rem .8rem .2rem 0;text-align:left;vertical-align:top}\
.number{text-align:right}figure{display:inline-block;margin:0 2rem 1rem 0}";

/// The card of a model as an HTML document; `facts` are lines that the caller knows, as name and value.
pub fn page(artifact: &Artifact, facts: &[(String, String)]) -> String {
    let card = &artifact.card;
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{0}</title>\
         <style>{STYLE}</style>\n<h1>{0}</h1>\n<table>\n",
        escaped(&card.name)
    );
    let span = card.data_span.map(|(from, until)| format!("{from} to {until}"));
    let purposes: Vec<String> = card.purposes.iter().map(ToString::to_string).collect();
    let entry = card.training_entry.map(|entry| entry.to_string());
    let labels = card.labels.map_or("not told", Labels::text);
    let own = [
        ("Trained", card.created.to_string()),
        ("Outcomes from", span.unwrap_or_else(|| "not told".to_owned())),
        ("Used under consent to", purposes.join(", ")),
        ("Ledger entry of the training set", entry.unwrap_or_else(|| "none".to_owned())),
        ("Outcomes told by", labels.to_owned()),
        ("Rows", format!("{}, {} with the outcome", card.rows, card.positives)),
        ("Learner", learner(artifact)),
        ("Calibration", format!("{:?}", card.calibration).to_lowercase()),
        ("Seed", card.options.seed.to_string()),
    ];
    let own = own.iter().map(|(name, value)| (*name, value.as_str()));
    let facts = facts.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in own.chain(facts) {
        let row = format!("<tr><th>{}</th><td>{}</td></tr>\n", escaped(name), escaped(value));
        page.push_str(&row);
    }
    page.push_str("</table>\n");
    measures(&mut page, artifact);
    segments(&mut page, &card.segments);
    page.push_str("<h2>What matters most</h2>\n");
    page.push_str(&effects(artifact));
    page.push_str("</html>\n");
    page
}

/// The effects that matter most, the strongest first, each as a figure with its plot.
pub fn effects(artifact: &Artifact) -> String {
    let model = &artifact.model;
    let drawn = artifact.card.effects.iter().take(DRAWN).filter_map(|effect| {
        model.terms().iter().find(|term| model.feature_of(term) == effect.feature)
    });
    drawn.map(|term| effect(model, term)).collect()
}

fn learner(artifact: &Artifact) -> String {
    let terms = artifact.model.terms().len();
    let which = if artifact.card.choice.boosted.is_some() { "boosted trees" } else { "FTRL" };
    format!("{which}, as {terms} tables")
}

fn measures(page: &mut String, artifact: &Artifact) {
    let card = &artifact.card;
    page.push_str("<h2>How good it is</h2>\n<table>\n");
    let mut line = |name: &str, value: String| {
        let part = format!("<tr><th>{name}</th><td>{value}</td></tr>\n");
        page.push_str(&part);
    };
    if let Some(Metrics { auc, log_loss, ece, ece_floor, rows, .. }) = card.metrics {
        line("On the latest rows, not learnt from", rows.to_string());
        line("AUC", format!("{auc:.4}"));
        line("Log loss", format!("{log_loss:.4}"));
        line("Calibration error", format!("{ece:.4}; right probabilities: {ece_floor:.4}"));
    }
    if let Some(intervals) = card.intervals {
        let told = |Interval { low, high }: Interval| format!("{low:.4} to {high:.4}");
        line("AUC out of fold, 95 %", told(intervals.auc));
        line("Log loss out of fold, 95 %", told(intervals.log_loss));
    }
    page.push_str("</table>\n");
    if let Some(reliability) = &card.reliability {
        let error = reliability.error;
        let part = format!(
            "<h2>What was promised, and what came</h2>\n<figure>{}<figcaption>Across: promised; up: \
             came. {} rows, out of fold. Calibration error {:.4}; noise alone stays below {:.4} in 99 \
             of 100 cases.</figcaption></figure>\n",
            reliability.svg("Reliability"),
            reliability.rows,
            error.ece,
            error.limit
        );
        page.push_str(&part);
    }
}

fn segments(page: &mut String, segments: &[Segment]) {
    if segments.is_empty() {
        return;
    }
    page.push_str(
        "<h2>By group</h2>\n<table><tr><th>By</th><th>Group</th><th class=\"number\">Rows</th>\
         <th class=\"number\">Base rate</th><th class=\"number\">Calibration error</th>\
         <th class=\"number\">Noise</th><th></th></tr>\n",
    );
    for segment in segments {
        let error = segment.reliability.error;
        let part = format!(
            "<tr><td>{}</td><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{:.4}</td>\
             <td class=\"number\">{:.4}</td><td class=\"number\">{:.4}</td><td>{}</td></tr>\n",
            escaped(&segment.by),
            escaped(&segment.name),
            segment.reliability.rows,
            segment.base_rate,
            error.ece,
            error.limit,
            if segment.is_off() { "off by more than noise" } else { "" }
        );
        page.push_str(&part);
    }
    page.push_str("</table>\n");
    for segment in segments.iter().filter(|segment| segment.is_off()) {
        let title = format!("{} {}", segment.by, segment.name);
        let part = format!(
            "<figure>{}<figcaption>{}</figcaption></figure>\n",
            segment.reliability.svg(&title),
            escaped(&title)
        );
        page.push_str(&part);
    }
}

/// What a term adds along its first column, the mean over the other where there is one.
fn effect(model: &Model, term: &Term) -> String {
    let (groups, width) = (term.shape.first.size(), term.shape.width());
    let amounts: Vec<f64> = (0..groups)
        .map(|group| {
            let of = &term.weights[group * width..(group + 1) * width];
            of.iter().sum::<f64>() / width as f64
        })
        .collect();
    let most = amounts.iter().fold(1e-6, |most: f64, amount| most.max(amount.abs()));
    let step = 280.0 / groups.max(1) as f64;
    let mut bars = String::new();
    for (at, amount) in amounts.iter().enumerate() {
        let height = 70.0 * amount.abs() / most;
        let (x, y) = (10.0 + step * at as f64, if *amount > 0.0 { 80.0 - height } else { 80.0 });
        let bar = write!(
            bars,
            "<rect class=\"bar\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\"/>",
            (step * 0.9).max(0.5)
        );
        debug_assert!(bar.is_ok());
    }
    let name = escaped(&model.feature_of(term));
    format!(
        "<figure><svg class=\"plot\" viewBox=\"0 0 300 160\" width=\"300\" height=\"160\" role=\"img\">\
         <title>{name}</title><path class=\"axis\" d=\"M10 80H290\" stroke=\"currentColor\"/>{bars}</svg>\
         <figcaption>{name}: from unknown and least to most, at most {most:.2} log odds either way\
         </figcaption></figure>\n"
    )
}
