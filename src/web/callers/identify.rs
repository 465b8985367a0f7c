//! Reading the credential, the rate of its caller, and where a session's request came from.

use std::net::{IpAddr, Ipv4Addr};

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, HeaderValue, ORIGIN};
use axum::http::{HeaderMap, HeaderName, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{Address, Identified, Presented, SessionPart};
use crate::access::sessions::{self, Token};
use crate::access::{AccessError, Caller, Credential};
use crate::app::App;
use crate::web::body;
use crate::web::problem::{ApiResult, Problem};

/// The header by which a script on our own page proves where it comes from.
pub const FORM_TOKEN_HEADER: HeaderName = HeaderName::from_static("x-form-token");
/// The same as a field of a form.
pub const FORM_TOKEN_FIELD: &str = "form_token";

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

const COOKIE_NAME: &str = "volens_session";

/// Identifies the caller, holds it to its rate, and refuses what another site made a browser send.
pub(in crate::web) async fn identify(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Response {
    match checked(&app, request).await {
        Ok(request) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

async fn checked(app: &App, mut request: Request) -> ApiResult<Request> {
    let presented = presented(app, request.headers()).await?;
    rate(app, &request, &presented)?;
    let unsafe_method = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if unsafe_method {
        let page = !request.uri().path().starts_with("/v1/");
        if (page || request.headers().contains_key(COOKIE)) && is_cross_site(request.headers()) {
            return Err(cross_site());
        }
        if let Presented::Valid(Identified { session: Some(session), .. }) = &presented {
            request = from_own_page(app, request, &session.token).await?;
        }
    }
    request.extensions_mut().insert(presented);
    Ok(request)
}

async fn presented(app: &App, headers: &HeaderMap) -> ApiResult<Presented> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        let Some(key) = api_key(value) else { return Ok(Presented::Invalid) };
        let found = app.api_keys.caller(&app.db, &app.keys, &key, app.now()).await;
        return Ok(match found.map_err(unexpected)? {
            Some((id, caller)) => Presented::Valid(Identified {
                caller,
                credential: Credential::Key(id),
                session: None,
            }),
            None => Presented::Invalid,
        });
    }
    let Some(text) = cookie(headers, COOKIE_NAME) else { return Ok(Presented::Nothing) };
    // A cookie that is no session any more is like no cookie: the browser sends it unasked.
    let Some(token) = Token::presented(text) else { return Ok(Presented::Nothing) };
    let access = &app.settings.access;
    let found = sessions::signed_in(&app.db, &app.keys, access, &token, app.now()).await;
    Ok(match found.map_err(unexpected)? {
        Some(signed_in) => Presented::Valid(Identified {
            caller: signed_in.caller,
            credential: Credential::User(signed_in.user),
            session: Some(SessionPart {
                form_token: sessions::form_token(&app.keys, &token),
                email: signed_in.email,
                token,
            }),
        }),
        None => Presented::Nothing,
    })
}

fn unexpected(error: AccessError) -> Problem {
    match error {
        AccessError::Db(error) => error.into(),
        other => Problem::internal(&other),
    }
}

/// `Bearer KEY`, or `Basic base64(KEY:)` as Segment clients send it.
fn api_key(value: &HeaderValue) -> Option<Zeroizing<String>> {
    let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Zeroizing::new(rest.trim().to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(rest.trim()).ok()?);
    let text = std::str::from_utf8(&decoded).ok()?;
    let (user, _password) = text.split_once(':')?;
    Some(Zeroizing::new(user.to_owned()))
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// The header that begins a session in the browser, or ends it with `None`.
pub fn session_cookie(app: &App, token: Option<&Token>) -> HeaderValue {
    let secure = if app.settings.public_url().starts_with("https://") { "; Secure" } else { "" };
    let (value, age) = match token {
        Some(token) => (token.expose(), app.settings.access.session_lasts().as_secs()),
        None => ("", 0),
    };
    let text =
        format!("{COOKIE_NAME}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}");
    let mut header = HeaderValue::from_str(&text).expect("base64url is a header value");
    header.set_sensitive(true);
    header
}

fn rate(app: &App, request: &Request, presented: &Presented) -> ApiResult<()> {
    let (buckets, id) = match presented {
        Presented::Valid(identified) => {
            let buckets = match identified.caller {
                Caller::App(_) => &app.rates.apps,
                _ => &app.rates.callers,
            };
            (buckets, *identified.credential.id())
        }
        Presented::Nothing | Presented::Invalid => {
            (&app.rates.addresses, address_id(address(request, app.settings.web.proxy())))
        }
    };
    buckets.take(id, app.now()).map_err(|seconds| Problem::too_many("rate.exceeded", seconds))
}

/// Where a request came from: the peer, or whom the trusted proxy names last. What stands before
/// that, and what anybody else writes, was chosen by the sender.
fn address(request: &Request, proxy: Option<IpAddr>) -> IpAddr {
    let peer = request.extensions().get::<Address>();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |Address(ip)| ip.to_canonical());
    if proxy.map(|proxy| proxy.to_canonical()) != Some(peer) {
        return peer;
    }
    let named = request.headers().get_all(FORWARDED_FOR).iter().next_back();
    let last = named.and_then(|value| value.to_str().ok()?.rsplit(',').next());
    last.and_then(|text| text.trim().parse().ok()).unwrap_or(peer)
}

/// An IPv4 address as it is, an IPv6 address by its /64: one customer usually has all of that.
fn address_id(address: IpAddr) -> [u8; 16] {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => {
            let mut octets = v6.octets();
            octets[8..].fill(0);
            octets
        }
    }
}

/// Whether a browser says that the request began on another site (Fetch Metadata, then `Origin`).
fn is_cross_site(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text(HeaderName::from_static("sec-fetch-site")) {
        return !matches!(site, "same-origin" | "none");
    }
    match (text(ORIGIN), text(HOST)) {
        (None, _) => false,
        (Some(origin), Some(host)) => {
            origin.split_once("://").is_none_or(|(_, authority)| authority != host)
        }
        (Some(_), None) => true,
    }
}

fn cross_site() -> Problem {
    Problem::new(
        axum::http::StatusCode::FORBIDDEN,
        "access.cross_site",
        "this request did not begin on a page of this service",
    )
}

/// Lets a session's request through only with the token of its own pages. Forms are read for it and
/// handed on unread.
async fn from_own_page(app: &App, request: Request, session: &Token) -> ApiResult<Request> {
    let header = request.headers().get(&FORM_TOKEN_HEADER).and_then(|v| v.to_str().ok());
    if let Some(given) = header {
        return if sessions::form_token_matches(&app.keys, session, given) {
            Ok(request)
        } else {
            Err(cross_site())
        };
    }
    let form = request
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    if !form {
        return Err(cross_site());
    }
    let limit = body::limit(&app.settings.web, request.uri().path());
    let (parts, incoming) = request.into_parts();
    let bytes = body::read_raw(incoming, limit, app.settings.web.body_seconds).await?;
    // The token is hexadecimal, so its percent-encoding is itself.
    let given = bytes
        .split(|byte| *byte == b'&')
        .filter_map(|pair| std::str::from_utf8(pair).ok()?.split_once('='))
        .find_map(|(key, value)| (key == FORM_TOKEN_FIELD).then_some(value));
    match given {
        Some(given) if sessions::form_token_matches(&app.keys, session, given) => {
            Ok(Request::from_parts(parts, axum::body::Body::from(bytes)))
        }
        _ => Err(cross_site()),
    }
}
