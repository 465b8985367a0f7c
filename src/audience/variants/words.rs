//! The report of variants in words: five languages, none of which can miss one.

use super::report::{Report, Standing};

/// Every word of the report, in one language. `{}` stands for numbers.
pub struct Words {
    /// ISO 639-1.
    pub code: &'static str,
    /// What follows.
    pub title: &'static str,
    /// Head of the column of names.
    pub variant: &'static str,
    /// Head of the column of people who were given it.
    pub people: &'static str,
    /// Head of the column of rates.
    pub rate: &'static str,
    /// Head of the column of probabilities of being the best.
    pub best: &'static str,
    /// Head of the column of shares of the next list.
    pub next: &'static str,
    /// Head of the column of people who stopped or complained.
    pub stopped: &'static str,
    /// In the place of a number that is withheld.
    pub withheld: &'static str,
    range: &'static str,
    even: &'static str,
    how: &'static str,
    floor: &'static str,
}

const ALL: [Words; 5] = [ENGLISH, FRENCH, GERMAN, SPANISH, PORTUGUESE];

const ENGLISH: Words = Words {
    code: "en",
    title: "How the variants do",
    variant: "Variant",
    people: "People",
    rate: "Reached the goal",
    best: "Probably the best",
    next: "Of the next list",
    stopped: "Stopped or complained",
    withheld: "not told",
    range: "{} ({} to {})",
    even: "Too little is known yet: rows are given the variants evenly until each has gone to {} people of whose lists something was reported.",
    how: "Counted are lists of which an outcome was reported. What is best is told by goals less stops and complaints; {} of each list are spread evenly, so that no variant is given up. Nobody who is kept aside is given any, and whoever was written to keeps the variant.",
    floor: "A number of fewer than {} people is not told; others are rounded.",
};

const FRENCH: Words = Words {
    code: "fr",
    title: "Résultats des variantes",
    variant: "Variante",
    people: "Personnes",
    rate: "Objectif atteint",
    best: "Probablement la meilleure",
    next: "De la prochaine liste",
    stopped: "Désinscriptions ou plaintes",
    withheld: "non communiqué",
    range: "{} (de {} à {})",
    even: "On n’en sait pas encore assez : les variantes sont réparties à parts égales jusqu’à ce que chacune ait été envoyée à {} personnes de listes dont un résultat a été signalé.",
    how: "Comptent les listes dont un résultat a été signalé. La meilleure l’est par les objectifs atteints moins les désinscriptions et les plaintes ; {} de chaque liste sont répartis à parts égales, pour qu’aucune variante ne soit abandonnée. Qui est écarté n’en reçoit aucune, et qui a déjà reçu une variante la garde.",
    floor: "Un nombre inférieur à {} personnes n’est pas communiqué ; les autres sont arrondis.",
};

const GERMAN: Words = Words {
    code: "de",
    title: "Wie die Varianten abschneiden",
    variant: "Variante",
    people: "Menschen",
    rate: "Ziel erreicht",
    best: "Wahrscheinlich die beste",
    next: "Von der nächsten Liste",
    stopped: "Abgemeldet oder beschwert",
    withheld: "nicht gesagt",
    range: "{} ({} bis {})",
    even: "Noch ist zu wenig bekannt: Die Varianten werden gleich verteilt, bis jede an {} Menschen von Listen ging, zu denen etwas gemeldet wurde.",
    how: "Gezählt werden Listen, zu denen ein Ergebnis gemeldet wurde. Die beste ist es nach erreichten Zielen weniger Abmeldungen und Beschwerden; {} jeder Liste werden gleich verteilt, damit keine Variante aufgegeben wird. Wer ausgespart ist, erhält keine, und wer schon angeschrieben wurde, behält seine.",
    floor: "Eine Zahl unter {} Menschen wird nicht gesagt; andere sind gerundet.",
};

const SPANISH: Words = Words {
    code: "es",
    title: "Cómo van las variantes",
    variant: "Variante",
    people: "Personas",
    rate: "Alcanzaron el objetivo",
    best: "Probablemente la mejor",
    next: "De la próxima lista",
    stopped: "Bajas o quejas",
    withheld: "no se dice",
    range: "{} (de {} a {})",
    even: "Aún se sabe poco: las variantes se reparten por igual hasta que cada una haya llegado a {} personas de listas de las que se comunicó algo.",
    how: "Cuentan las listas de las que se comunicó algún resultado. La mejor lo es por objetivos alcanzados menos bajas y quejas; el {} de cada lista se reparte por igual, para que no se abandone ninguna variante. Quien queda apartado no recibe ninguna, y quien ya recibió una la conserva.",
    floor: "No se dice un número de menos de {} personas; los demás se redondean.",
};

const PORTUGUESE: Words = Words {
    code: "pt",
    title: "Como vão as variantes",
    variant: "Variante",
    people: "Pessoas",
    rate: "Alcançaram o objetivo",
    best: "Provavelmente a melhor",
    next: "Da próxima lista",
    stopped: "Cancelamentos ou queixas",
    withheld: "não se diz",
    range: "{} (de {} a {})",
    even: "Ainda se sabe pouco: as variantes são distribuídas por igual até que cada uma tenha chegado a {} pessoas de listas das quais algo foi comunicado.",
    how: "Contam as listas das quais algum resultado foi comunicado. A melhor é-o por objetivos alcançados menos cancelamentos e queixas; {} de cada lista são distribuídos por igual, para que nenhuma variante seja abandonada. Quem fica de fora não recebe nenhuma, e quem já recebeu uma conserva-a.",
    floor: "Um número inferior a {} pessoas não se diz; os outros são arredondados.",
};

impl Words {
    /// The words of a language code; English where we do not speak it.
    pub fn of(code: &str) -> &'static Self {
        ALL.iter().find(|words| words.code == code).unwrap_or(&ENGLISH)
    }

    /// The rate of a variant with its interval.
    pub fn rate_of(&self, of: &Standing) -> String {
        let Some(rate) = of.rate else { return self.withheld.to_owned() };
        let put = |text: String, part: f64| text.replacen("{}", &percent(part), 1);
        [rate.mean, rate.low, rate.high].into_iter().fold(self.range.to_owned(), put)
    }

    /// A number of people.
    pub fn count(&self, of: Option<u64>) -> String {
        of.map_or_else(|| self.withheld.to_owned(), |count| count.to_string())
    }

    /// A probability.
    pub fn chance(&self, of: Option<f64>) -> String {
        of.map_or_else(|| self.withheld.to_owned(), percent)
    }

    /// What is to be known about the numbers, a sentence or more each.
    pub fn notes(&self, report: &Report) -> Vec<String> {
        let floor = report.withheld_below.to_string();
        let too_few = report.variants.iter().any(|variant| variant.best.is_none());
        let even = too_few.then(|| self.even.replacen("{}", &floor, 1));
        let rest = [
            self.how.replacen("{}", &percent(report.explored), 1),
            self.floor.replacen("{}", &floor, 1),
        ];
        even.into_iter().chain(rest).collect()
    }
}

/// To tenths of a per cent, as all five languages understand it.
fn percent(part: f64) -> String {
    let tenths = (part * 1000.0).round() as i64;
    let (whole, rest) = (tenths / 10, tenths % 10);
    if rest == 0 { format!("{whole} %") } else { format!("{whole}.{rest} %") }
}

#[cfg(test)]
mod tests {
    use super::super::report::Rate;
    use super::*;
    use crate::ids::CampaignId;
    use crate::relevance::Variant;

    #[test]
    fn every_language_says_every_number_and_what_is_withheld() {
        let rate = Rate { mean: 0.12, low: 0.101, high: 0.143 };
        let known = Standing {
            name: Variant::at(0).expect("the first"),
            title: "New shoes".to_owned(),
            language: "en".to_owned(),
            recipients: Some(500),
            reached: Some(60),
            rate: Some(rate),
            stopped: None,
            best: Some(0.9),
            next: 0.82,
        };
        let few = Standing { rate: None, best: None, ..known.clone() };
        let report = |variants| Report {
            campaign: CampaignId::from_bytes([1; 16]),
            goal: "click",
            withheld_below: 57,
            explored: 0.2,
            variants,
        };
        for words in &ALL {
            let told = words.rate_of(&known);
            assert!(["12 %", "10.1 %", "14.3 %"].iter().all(|part| told.contains(part)), "{told}");
            assert_eq!(words.rate_of(&few), words.withheld);
            assert_eq!(
                (words.count(Some(500)).as_str(), words.count(None).as_str()),
                ("500", words.withheld)
            );
            assert_eq!(words.chance(Some(0.9)), "90 %");
            let both = [
                words.notes(&report(vec![known.clone()])),
                words.notes(&report(vec![few.clone()])),
            ];
            assert_eq!(both.each_ref().map(Vec::len), [2, 3]);
            for note in both.iter().flatten() {
                assert!(!note.contains("{}"), "{note}");
            }
            assert!(
                both[1][0].contains("57")
                    && both[0][0].contains("20 %")
                    && both[0][1].contains("57")
            );
        }
    }
}
