//! A forecast in words: five languages, none of which can miss one.

use volens_models::card::Source;

use super::{Expected, Forecast, Range, Why};

/// Every word of a forecast, in one language. `{}` stands for numbers.
pub struct Words {
    /// ISO 639-1.
    pub code: &'static str,
    /// What follows.
    pub title: &'static str,
    reached: &'static str,
    reached_unknown: &'static str,
    increase: &'static str,
    increase_unknown: &'static str,
    exposures: &'static str,
    overlap: &'static str,
    sample: &'static str,
    outcomes: &'static str,
    needs_message: &'static str,
    told_by_signals: &'static str,
    source: &'static str,
}

const ALL: [Words; 5] = [ENGLISH, FRENCH, GERMAN, SPANISH, PORTUGUESE];

const ENGLISH: Words = Words {
    code: "en",
    title: "What it is expected to bring",
    reached: "Written to, about {} of the people on the list are expected to reach the goal: {} to {}.",
    reached_unknown: "Not enough is known to say how many will reach the goal: {}.",
    increase: "That is about {} more than without the message: {} to {}.",
    increase_unknown: "Not enough is known to say how many more that is than without the message: {}.",
    exposures: "too few people were written to, or kept aside at random, in your earlier campaigns",
    overlap: "the people on this list are unlike those in your earlier campaigns",
    sample: "too few people in your earlier campaigns were like those on this list",
    outcomes: "too few of the people like these are on record as having reached the goal, or as not having",
    needs_message: "A click on the message or a reply to it cannot come without the message, so there is nothing to compare with.",
    told_by_signals: "The first number counts what you reported; the second counts purchases that the app tells of, of those written to and of those kept aside alike.",
    source: "From your earlier campaigns, which count as {} people like these. The ranges hold what is expected in 19 of 20 cases; what comes varies more.",
};

const FRENCH: Words = Words {
    code: "fr",
    title: "Ce qu’on peut en attendre",
    reached: "Si on leur écrit, environ {} personnes de la liste devraient atteindre l’objectif : de {} à {}.",
    reached_unknown: "On n’en sait pas assez pour dire combien atteindront l’objectif : {}.",
    increase: "C’est environ {} de plus que sans le message : de {} à {}.",
    increase_unknown: "On n’en sait pas assez pour dire combien de plus que sans le message : {}.",
    exposures: "trop peu de personnes ont reçu vos campagnes précédentes ou en ont été écartées au hasard",
    overlap: "les personnes de cette liste ne ressemblent pas à celles de vos campagnes précédentes",
    sample: "trop peu de personnes de vos campagnes précédentes ressemblaient à celles de cette liste",
    outcomes: "trop peu de personnes semblables sont connues pour avoir atteint l’objectif, ou pour ne pas l’avoir atteint",
    needs_message: "Un clic sur le message ou une réponse ne peut pas venir sans le message : il n’y a rien à quoi comparer.",
    told_by_signals: "Le premier nombre compte ce que vous avez signalé ; le second, les achats dont l’application informe, de la même façon pour ceux à qui on a écrit et pour ceux qui ont été écartés.",
    source: "D’après vos campagnes précédentes, qui comptent comme {} personnes semblables. Les intervalles contiennent la valeur attendue dans 19 cas sur 20 ; le résultat variera davantage.",
};

const GERMAN: Words = Words {
    code: "de",
    title: "Was davon zu erwarten ist",
    reached: "Werden sie angeschrieben, erreichen voraussichtlich etwa {} der Menschen auf der Liste das Ziel: {} bis {}.",
    reached_unknown: "Es ist nicht genug bekannt, um zu sagen, wie viele das Ziel erreichen: {}.",
    increase: "Das sind etwa {} mehr als ohne die Nachricht: {} bis {}.",
    increase_unknown: "Es ist nicht genug bekannt, um zu sagen, wie viele mehr das sind als ohne die Nachricht: {}.",
    exposures: "in Ihren früheren Kampagnen wurden zu wenige angeschrieben oder zufällig ausgespart",
    overlap: "die Menschen auf dieser Liste gleichen denen Ihrer früheren Kampagnen nicht",
    sample: "zu wenige Menschen Ihrer früheren Kampagnen glichen denen auf dieser Liste",
    outcomes: "von zu wenigen ähnlichen Menschen ist bekannt, dass sie das Ziel erreicht oder nicht erreicht haben",
    needs_message: "Ein Klick auf die Nachricht oder eine Antwort darauf kann ohne die Nachricht nicht kommen: Es gibt nichts zu vergleichen.",
    told_by_signals: "Die erste Zahl zählt, was Sie gemeldet haben; die zweite zählt Käufe, von denen die App berichtet, bei Angeschriebenen und Ausgesparten gleichermaßen.",
    source: "Aus Ihren früheren Kampagnen, die so viel zählen wie {} ähnliche Menschen. Die Spannen enthalten das zu Erwartende in 19 von 20 Fällen; was kommt, streut stärker.",
};

const SPANISH: Words = Words {
    code: "es",
    title: "Qué cabe esperar",
    reached: "Si se les escribe, se espera que unas {} personas de la lista alcancen el objetivo: de {} a {}.",
    reached_unknown: "No se sabe lo suficiente para decir cuántas alcanzarán el objetivo: {}.",
    increase: "Son unas {} más que sin el mensaje: de {} a {}.",
    increase_unknown: "No se sabe lo suficiente para decir cuántas más son que sin el mensaje: {}.",
    exposures: "en sus campañas anteriores se escribió a muy pocas personas, o se apartó a muy pocas al azar",
    overlap: "las personas de esta lista no se parecen a las de sus campañas anteriores",
    sample: "muy pocas personas de sus campañas anteriores se parecían a las de esta lista",
    outcomes: "de muy pocas personas parecidas consta que alcanzaron el objetivo, o que no lo alcanzaron",
    needs_message: "Un clic en el mensaje o una respuesta no puede llegar sin el mensaje: no hay con qué comparar.",
    told_by_signals: "El primer número cuenta lo que usted comunicó; el segundo, las compras de las que informa la aplicación, por igual de aquellos a quienes se escribió y de quienes se apartó.",
    source: "Según sus campañas anteriores, que cuentan como {} personas parecidas. Los intervalos contienen lo esperado en 19 de cada 20 casos; lo que ocurra variará más.",
};

const PORTUGUESE: Words = Words {
    code: "pt",
    title: "O que se pode esperar",
    reached: "Se receberem a mensagem, espera-se que cerca de {} pessoas da lista alcancem o objetivo: de {} a {}.",
    reached_unknown: "Não se sabe o suficiente para dizer quantas alcançarão o objetivo: {}.",
    increase: "São cerca de {} a mais do que sem a mensagem: de {} a {}.",
    increase_unknown: "Não se sabe o suficiente para dizer quantas a mais são do que sem a mensagem: {}.",
    exposures: "nas suas campanhas anteriores, poucas pessoas receberam mensagens ou poucas foram deixadas de fora ao acaso",
    overlap: "as pessoas desta lista não se parecem com as das suas campanhas anteriores",
    sample: "poucas pessoas das suas campanhas anteriores se pareciam com as desta lista",
    outcomes: "de poucas pessoas parecidas se sabe que alcançaram o objetivo, ou que não o alcançaram",
    needs_message: "Um clique na mensagem ou uma resposta não pode vir sem a mensagem: não há com que comparar.",
    told_by_signals: "O primeiro número conta o que comunicou; o segundo, as compras de que a aplicação informa, por igual de quem recebeu a mensagem e de quem foi deixado de fora.",
    source: "Segundo as suas campanhas anteriores, que contam como {} pessoas parecidas. Os intervalos contêm o esperado em 19 de 20 casos; o que acontecer variará mais.",
};

impl Words {
    /// The words of a language code; English where we do not speak it.
    pub fn of(code: &str) -> &'static Self {
        ALL.iter().find(|words| words.code == code).unwrap_or(&ENGLISH)
    }

    fn reason(&self, why: Why) -> &'static str {
        match why {
            // Said in a sentence of its own.
            Why::Known | Why::NeedsMessage => "",
            Why::Exposures => self.exposures,
            Why::Overlap => self.overlap,
            Why::Sample => self.sample,
            Why::Outcomes => self.outcomes,
        }
    }

    fn sentence(&self, of: &Expected, known: &str, unknown: &str) -> String {
        match of.people {
            Some(Range { expected, low, high }) => fill(known, &[expected, low, high]),
            None if of.why == Why::NeedsMessage => self.needs_message.to_owned(),
            None => unknown.replacen("{}", self.reason(of.why), 1),
        }
    }
}

impl Forecast {
    /// In words, a sentence each.
    pub fn sentences(&self, words: &Words) -> Vec<String> {
        let mut sentences =
            vec![words.sentence(&self.reached, words.reached, words.reached_unknown)];
        if self.reached.why != self.increase.why || self.reached.people.is_some() {
            let of = (words.increase, words.increase_unknown);
            sentences.push(words.sentence(&self.increase, of.0, of.1));
        }
        if self.told_by == Some(Source::Signals) {
            sentences.push(words.told_by_signals.to_owned());
        }
        let effective = self.increase.effective.or(self.reached.effective);
        let source = |count: u64| words.source.replacen("{}", &count.to_string(), 1);
        sentences.extend(effective.map(source));
        sentences
    }
}

fn fill(text: &str, numbers: &[i64]) -> String {
    let put = |text: String, number: &i64| text.replacen("{}", &number.to_string(), 1);
    numbers.iter().fold(text.to_owned(), put)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_says_every_number_and_every_reason() {
        let range = Range { expected: 120, low: 95, high: 150 };
        let known = Expected {
            why: Why::Known,
            people: Some(range),
            snips: Some(range),
            effective: Some(640),
        };
        let not = |why| Expected { why, people: None, snips: None, effective: None };
        for words in &ALL {
            let said = |reached, increase, told_by| {
                Forecast { reached, increase, told_by }.sentences(words)
            };
            let both = said(known, known, None);
            assert_eq!(both.len(), 3);
            let both_by_signals = said(known, known, Some(Source::Signals));
            assert_eq!(both_by_signals[2], words.told_by_signals);
            let answers = said(known, not(Why::NeedsMessage), None);
            assert_eq!((answers.len(), answers[1].as_str()), (3, words.needs_message));
            for sentence in &both[..2] {
                assert!(["120", "95", "150"].iter().all(|n| sentence.contains(n)), "{sentence}");
            }
            assert!(both[2].contains("640"), "{}", both[2]);
            for why in [Why::Exposures, Why::Overlap, Why::Sample, Why::Outcomes] {
                let none = said(not(why), not(why), None);
                assert_eq!(none.len(), 1, "one reason is told once");
                let half = said(known, not(why), None);
                assert_eq!(half.len(), 3);
                for sentence in none.iter().chain(&half) {
                    assert!(!sentence.contains("{}"), "{sentence}");
                }
                assert!(none[0].contains(words.reason(why)) && !words.reason(why).is_empty());
            }
        }
    }
}
