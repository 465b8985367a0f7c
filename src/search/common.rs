//! Words that carry grammar, not meaning, in five languages.

use super::Language;

/// Words that carry grammar, not meaning, in lower case without accents. In a large corpus their
/// frequency gives them away; in one of ten answers it does not, and "what is the" would look like
/// a match.
const ENGLISH: &str = "a about after all also am an and any are as at be because been before being \
    but by can could did do does doing don for from get had has have he her him his how i if in \
    into is it its just ll m may me might more most much must my no not of on one only or our out \
    over re s she should so some such t than that the their them then there these they this those \
    to too up us ve very was we were what when where which while who whom whose why will with \
    would you your hello hi please thanks";
const FRENCH: &str = "a ai aie apres as au aux avant avec avez avoir avons c ca car ce ceci cela ces \
    cet cette comme comment d dans de des donc du elle elles en est et etait ete etes etre eu fait \
    faire faut il ils j je l la le les leur leurs lui m ma mais me mes moi mon n ne nos notre nous \
    on ont ou par pas peut peux plus pour pourquoi puis qu quand que quel quelle quelles quels qui \
    quoi s sa sans se ses si son sont sous suis sur t ta te tes toi ton tous tout tres tu un une \
    va vais vos votre vous y bonjour merci";
const GERMAN: &str = "ab aber alle als also am an auch auf aus bei bin bis bist da damit dann das dass \
    dein deine dem den denn der des dich die dies diese dieser dir doch du durch ein eine einem \
    einen einer eines er es etwas euch fur gibt habe haben hat hatte ich ihm ihn ihr ihre im in \
    ins ist ja kann kein keine konnen man mein meine meinen meiner mich mir mit muss nach nicht \
    noch nur ob oder ohne sehr sein seine sich sie sind so soll uber um und uns unser vom von vor \
    wann war warum was wegen weil welche welcher wenn wer werden wie wieder will wir wird wo zu \
    zum zur hallo bitte danke";
const SPANISH: &str = "a al algo ante antes aqui asi como con cual cuales cuando cuanto cuanta cuantos de del \
    desde donde e el ella ellos en entre era eres es esa ese eso esta estan estas este esto estos \
    estoy fue ha hace hacer hacia han has hasta hay he la las le les lo los mas me mi mis mucho \
    muy nada ni no nos nosotros o os para pero poco por porque pueda puede puedo pues que quien \
    quiero se sea ser si sin sobre son soy su sus tambien te tengo ti tiene tienen toda todo todos tu \
    tus un una uno unos y ya yo hola gracias";
const PORTUGUESE: &str = "a ao aos as ate com como da das de dela dele do dos e ela elas ele eles em \
    entre era es essa esse esta estao estas este estou eu faco fazer foi ha isso isto ja la lhe mais mas me \
    mesmo meu meus minha minhas muito na nao nas nem no nos nossa nosso num numa o onde os ou para \
    pela pelas pelo pelos pode podem posso por porque qual quais quando quanto quantos que quem se sem ser seu seus \
    sim so sobre sou sua suas tambem te tem tenho ter teu tu um uma umas uns vai voce voces vou \
    ola obrigado obrigada";

/// Whether a word, in lower case without accents, only carries grammar.
pub(super) fn is_common(language: Language, plain: &str) -> bool {
    let words = match language {
        Language::English => ENGLISH,
        Language::French => FRENCH,
        Language::German => GERMAN,
        Language::Spanish => SPANISH,
        Language::Portuguese => PORTUGUESE,
    };
    words.split_ascii_whitespace().any(|word| word == plain)
}
