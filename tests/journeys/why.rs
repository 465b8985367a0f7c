//! "Why did I get this?": the person, the business and the officer read the same reasons.

use serde_json::json;
use volens_privacy::PurposeKind;

use crate::support::desk::Desk;
use crate::support::on_both_with;
use crate::support::town::{SMALL, Town};

const EMAIL: &str = "shop@volens.test";
const PASSWORD: &str = "correct-horse-battery";

/// What the page of a person is called in each language.
const TITLES: [(&str, &str); 5] = [
    ("en", "Why did I get this?"),
    ("fr", "Pourquoi ai-je reçu ceci"),
    ("de", "Warum habe ich das bekommen?"),
    ("es", "¿Por qué he recibido esto?"),
    ("pt", "Porque recebi isto?"),
];

/// What the page of a list says in each language when nothing can be told of what it will bring.
const UNKNOWN: [(&str, &str); 5] = [
    ("en", "Not enough is known to say how many"),
    ("fr", "On n’en sait pas assez pour dire combien"),
    ("de", "Es ist nicht genug bekannt, um zu sagen, wie viele"),
    ("es", "No se sabe lo suficiente para decir cuántas"),
    ("pt", "Não se sabe o suficiente para dizer quantas"),
];

#[tokio::test]
async fn a_person_a_business_and_an_officer_read_why() {
    on_both_with(&[SMALL], |test| async move {
        let town = Town::new(test, 45).await;
        let campaign = town.campaign().await;
        let list = town.list(json!({"campaign": campaign["id"], "size": 12})).await;
        let list = list["id"].as_str().expect("an id").to_owned();
        let rows = town.recipients(&list).await;
        let path = format!("/v1/lists/{list}/recipients/1/why");
        let told = town.shop.get(&format!("{path}?than=12")).await.expect(200);
        assert_eq!(told["score"], rows[0]["score"]);
        let words = told["reasons"][0]["text"].as_str().expect("a text").to_owned();
        assert_eq!(rows[0]["reasons"][0]["text"], words.as_str());
        assert_eq!(told["compared"]["rank"], 12);
        let (_, rival) = town.test.new_business("Rival").await;
        rival.get(&path).await.problem(404, "not_found");
        town.shop
            .get(&format!("/v1/lists/{list}/recipients/99/why"))
            .await
            .problem(404, "not_found");

        let user = json!({"email": EMAIL, "password": PASSWORD, "role": "business",
                          "business": town.business});
        town.test.operator().await.post("/v1/users", user).await.expect(201);
        let signed_in = [("email", EMAIL), ("password", PASSWORD)];
        let answer = town.test.anonymous().form("/console/sign-in", &signed_in).await;
        let cookie = answer.header("set-cookie").split(';').next().expect("a pair").to_owned();
        let browser = town.test.anonymous().with_cookie(&cookie);
        for (language, words) in UNKNOWN {
            let page = browser.get(&format!("/console/lists/{list}?language={language}")).await;
            assert!(page.text().contains(words), "{language}: {}", page.text());
        }
        let page = browser.get(&format!("/console/lists/{list}/rows/1?than=12")).await.text();
        assert!(page.contains(&words) && page.contains("Beside rank 12"), "{page}");
        let desk = Desk::open(&town.test).await;
        let page = desk.browser.get(&format!("/officer/lists/{list}/why?rank=1")).await.text();
        assert!(page.contains(&words), "{page}");
        let looks = desk.browser.get("/officer/entries?kind=officer.access").await.text();
        assert!(looks.contains("rows of a list"), "{looks}");

        let who = town.who(&rows[0]["recipient"], 45).await;
        let link = json!({"account": who});
        let link = town.messenger.post("/v1/privacy-centre-links", link).await.expect(201);
        let url = link["url"].as_str().expect("an address").to_owned();
        let own = url[url.find("/p/").expect("a privacy centre")..].to_owned();
        let reader = town.test.anonymous();
        for (language, title) in TITLES {
            let page = reader.get(&format!("{own}/why?language={language}")).await.text();
            assert!(page.contains(title) && page.contains("Shop"), "{language}: {page}");
            let centre = reader.get(&format!("{own}?language={language}")).await.text();
            assert!(centre.contains(title), "{language}");
        }
        assert!(reader.get(&format!("{own}/why?language=en")).await.text().contains(&words));
        town.withdraw(&who, PurposeKind::Relevance).await;
        let page = reader.get(&format!("{own}/why?language=en")).await.text();
        assert!(page.contains("You are on no list now."), "{page}");
        town.shop.get(&path).await.problem(404, "not_found");
    })
    .await;
}
