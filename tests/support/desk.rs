//! A privacy officer's browser.

use serde_json::json;

use super::{Answer, Client, TestApp};

const EMAIL: &str = "officer@volens.test";
const PASSWORD: &str = "correct-horse-battery";

/// Signed in, with the token of its forms.
pub(crate) struct Desk {
    pub(crate) browser: Client,
    token: String,
}

impl Desk {
    /// Makes the user and signs in.
    pub(crate) async fn open(test: &TestApp) -> Self {
        Self::of(test, EMAIL).await
    }

    /// Makes an officer with this address and signs in.
    pub(crate) async fn of(test: &TestApp, email: &str) -> Self {
        let user = json!({"email": email, "password": PASSWORD, "role": "officer"});
        test.operator().await.post("/v1/users", user).await.expect(201);
        Self::sign_in(test, email).await
    }

    /// Signs in as the same user.
    pub(crate) async fn again(test: &TestApp) -> Self {
        Self::sign_in(test, EMAIL).await
    }

    async fn sign_in(test: &TestApp, email: &str) -> Self {
        let signed_in = [("email", email), ("password", PASSWORD)];
        let answer = test.anonymous().form("/console/sign-in", &signed_in).await;
        let cookie = answer.header("set-cookie").split(';').next().expect("a pair").to_owned();
        let browser = test.anonymous().with_cookie(&cookie);
        let page = browser.get("/officer/requests").await.text();
        let (_, rest) = page.split_once("name=\"form_token\" value=\"").expect("a form");
        let token = rest.split('"').next().expect("a token").to_owned();
        Self { browser, token }
    }

    /// Posts a form of its pages.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut form = vec![("form_token", self.token.as_str())];
        form.extend_from_slice(fields);
        self.browser.form(path, &form).await
    }
}
