//! What belongs to one tenant is not there for another: every documented operation that names a
//! thing, called by a neighbour with the thing's real name.

use axum::body::Body;
use axum::http::Method;
use serde_json::{Value as Json, json};
use volens::access::Role;
use volens_privacy::PurposeKind;

use super::{App, Business, Holder, OPERATIONS, Only, Who};
use crate::support::town::{SMALL, Town, report};
use crate::support::{Answer, Client, on_both_with};

/// A reference is the app's own word: with it a neighbour makes an account of its own, or keeps an
/// objection of its own (which needs no account), and reaches nobody else's.
const OWN_WORD: [&str; 2] =
    ["PUT /v1/accounts/{reference}", "POST /v1/accounts/{reference}/objection"];

/// The things of one tenant, by the parameter that names them, and their owners.
struct Things {
    town: Town,
    customer: Client,
    named: Vec<(&'static str, &'static str, String)>,
    recipient: Json,
}

fn id(answer: &Json) -> String {
    answer["id"].as_str().expect("an id").to_owned()
}

/// A conversation of somebody with the bot.
async fn begin(town: &Town, bot: &str) -> Json {
    let path = format!("/v1/bots/{bot}/conversations");
    town.test.anonymous().post(&path, json!({})).await.expect(201)
}

impl Things {
    async fn make(town: Town) -> Self {
        let shop = &town.shop;
        let campaign = id(&town.campaign().await);
        let list = town.list(json!({"campaign": campaign, "size": 20})).await;
        assert_eq!(list["state"], "sealed", "{list}");
        let list = id(&list);
        let recipient = town.recipients(&list).await[0]["recipient"].clone();
        let bot = id(&shop.post("/v1/bots", bot()).await.expect(201));
        let documents = format!("/v1/bots/{bot}/documents");
        let document = id(&shop.post(&documents, document()).await.expect(201));
        shop.post(&format!("/v1/bots/{bot}/publish"), json!({})).await.expect(201);
        let begun = begin(&town, &bot).await;
        let customer = town.test.client(begun["token"].as_str().expect("a token"));
        let key = shop.post("/v1/keys", json!({"role": "agent", "label": "Ann"})).await;
        let request = town.messenger.post("/v1/dsr", rectification()).await.expect(202);
        let request = request["receipt"]["subject_request_id"].as_str().expect("an id").to_owned();
        let named = vec![
            ("/v1/accounts/", "{reference}", "u1".to_owned()),
            ("/v1/accounts/", "{topic}", "sport.running".to_owned()),
            ("/v1/bots/", "{bot}", bot),
            ("/v1/bots/", "{document}", document),
            ("/v1/campaigns/", "{id}", campaign),
            ("/v1/conversations/", "{conversation}", id(&begun)),
            ("/v1/dsr/", "{id}", request),
            ("/v1/keys/", "{key}", id(&key.expect(201))),
            ("/v1/lists/", "{id}", list),
            ("/v1/lists/", "{rank}", "1".to_owned()),
        ];
        Self { town, customer, named, recipient }
    }

    /// The path with the names of these things in it.
    fn filled(&self, path: &str) -> String {
        let name = |part: &str| {
            let known = self
                .named
                .iter()
                .find(|(prefix, parameter, _)| path.starts_with(prefix) && *parameter == part);
            let known = known.unwrap_or_else(|| panic!("whose is {part} of {path}? add a thing"));
            known.2.clone()
        };
        let parts = path.split('/');
        let parts = parts.map(|part| if part.starts_with('{') { name(part) } else { part.into() });
        parts.collect::<Vec<String>>().join("/") + query(path)
    }

    fn of(&self, parameter: &str, prefix: &str) -> &str {
        let known = self.named.iter().find(|(p, name, _)| *p == prefix && *name == parameter);
        &known.expect("a thing of this test").2
    }

    /// What only a look needs; whose things they are sees them.
    async fn owners_see_theirs(&self) {
        for (operation, who) in OPERATIONS.iter().filter(|(name, _)| name.starts_with("GET ")) {
            let path = operation.trim_start_matches("GET ");
            let Some(role) = tenants(*who).next().filter(|_| path.contains('{')) else { continue };
            let owner = match role {
                Some(App) => &self.town.messenger,
                Some(_) => &self.town.shop,
                None => &self.customer,
            };
            let answer = owner.get(&self.filled(path)).await;
            let pending = path == "/v1/dsr/{id}/results" && answer.status == 409;
            assert!(answer.status == 200 || pending, "{operation}: {}", answer.text());
        }
    }
}

/// The roles of an operation that have things of their own; nothing for the holder of one token.
fn tenants(who: Who) -> impl Iterator<Item = Option<Role>> {
    let roles: &[Role] = if let Only(roles) = who { roles } else { &[] };
    let own = roles.iter().copied().filter(|role| matches!(role, App | Business)).map(Some);
    own.chain(matches!(who, Holder).then_some(None))
}

fn bot() -> Json {
    json!({"name": "Pedal", "languages": ["en"]})
}

fn document() -> Json {
    json!({"title": "Care", "kind": "text", "content": "Oil the chain."})
}

/// A request that waits for a person.
fn rectification() -> Json {
    json!({
        "subject_request_id": "1f0e8b5c-6a0e-4c57-9c0e-7b5f3d1a9a07",
        "subject_request_type": "rectification",
        "extensions": {"said": "the country is wrong"},
        "subject_identities":
            [{"identity_type": "controller_customer_id", "identity_value": "u1"}],
    })
}

fn query(path: &str) -> &'static str {
    match path {
        "/v1/accounts/{reference}/may-ask" => "?purpose=relevance",
        "/v1/lists/{id}/export" => "?format=csv",
        _ => "",
    }
}

/// A body that the operation would take.
fn body(operation: &str) -> Json {
    match operation {
        "PUT /v1/bots/{bot}" => bot(),
        "POST /v1/bots/{bot}/documents" => document(),
        "PUT /v1/accounts/{reference}/restriction" => json!({"reason": "accuracy_contested"}),
        "POST /v1/conversations/{conversation}/messages" => json!({"text": "Hello"}),
        "POST /v1/conversations/{conversation}/feedback" => {
            json!({"message": 1, "helpful": true})
        }
        _ => json!({}),
    }
}

async fn call(client: &Client, operation: &str, path: &str) -> Answer {
    let method: Method = operation.split(' ').next().expect("a method").parse().expect("a method");
    let body = match method {
        Method::GET | Method::DELETE => Body::empty(),
        _ => Body::from(body(operation).to_string()),
    };
    client.send(method, path, Some("application/json"), body).await
}

#[tokio::test]
async fn nothing_of_a_tenant_is_there_for_its_neighbour() {
    on_both_with(&[SMALL], |test| async move {
        let things = Things::make(Town::new(test, 40).await).await;
        let test = &things.town.test;
        let photos = test.new_app("photos").await;
        let (_, rival) = test.new_business("Rival").await;
        let bot = things.of("{bot}", "/v1/bots/");
        let begun = begin(&things.town, bot).await;
        let stranger = test.client(begun["token"].as_str().expect("a token"));
        things.owners_see_theirs().await;
        let mut tried = 0;
        for (operation, who) in OPERATIONS.iter().filter(|(name, _)| !OWN_WORD.contains(name)) {
            let (_, path) = operation.split_once(' ').expect("METHOD /path");
            for role in tenants(*who).filter(|_| path.contains('{')) {
                let neighbour = match role {
                    Some(App) => &photos,
                    Some(_) => &rival,
                    None => &stranger,
                };
                let answer = call(neighbour, operation, &things.filled(path)).await;
                let what = format!("{operation} as a neighbour: {}", answer.text());
                assert_eq!(answer.status, 404, "{what}");
                tried += 1;
            }
        }
        assert!(tried >= 34, "{tried} operations were tried");
        things.owners_see_theirs().await;
        named_in_bodies(&things, &photos, &rival).await;
        photos.post("/v1/accounts/u1/objection", json!({})).await.expect(200);
        photos.put("/v1/accounts/u1", json!({"language": "fr"})).await.expect(201);
        let account = things.town.messenger.get("/v1/accounts/u1").await.expect(200);
        let kept = (&account["language"], &account["objected_at"]);
        assert_eq!(kept, (&json!("en"), &Json::Null), "an account of the same name is another");
    })
    .await;
}

/// The same where the name stands in the body.
async fn named_in_bodies(things: &Things, photos: &Client, rival: &Client) {
    let campaign = things.of("{id}", "/v1/campaigns/");
    let asked = rival.post("/v1/lists", json!({"campaign": campaign, "size": 20})).await;
    asked.problem(404, "not_found");
    let (list, recipient) = (things.of("{id}", "/v1/lists/"), &things.recipient);
    let stop = json!({"list": list, "recipient": recipient, "kind": "stop",
                      "at": things.town.test.app.now()});
    let told = rival.post("/v1/outcomes", json!({"outcomes": [stop]})).await.expect(200);
    assert_eq!(told["results"][0]["code"], "list.not_found", "{told}");
    let recall = json!({"recalls": [{"list": list, "recipient": recipient}]});
    let closed = rival.post("/v1/recalls/acknowledge", recall).await.expect(200);
    assert_eq!(closed["acknowledged"], 0, "{closed}");
    let given = report("u1", PurposeKind::Relevance);
    photos.post("/v1/consents", given).await.problem(404, "account.unknown");
    let back = json!({"account": "u1", "purpose": PurposeKind::Relevance});
    photos.post("/v1/consents/withdraw", back).await.problem(404, "account.unknown");
    let page = photos.post("/v1/privacy-centre-links", json!({"account": "u1"})).await;
    page.problem(404, "account.unknown");
    let viewed = json!({"type": "track", "userId": "u1", "event": "Viewed", "messageId": "m",
                        "properties": {"topics": ["sport.running"]}});
    let taken = photos.post("/v1/batch", json!({"batch": [viewed]})).await;
    assert!(taken.text().contains("account.unknown"), "{}", taken.text());
}
