//! What is asked of an authorization server, and what its answers are understood to say.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use http::StatusCode;
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use sequin_domain::failure::{Failure, FailureClass};
use sequin_provider::{
    answer::Answer,
    authentication::{Properties, Unusable},
    authorization::nonce,
    declaration::{Authentication, TokenSource},
    token::{Code, Granted, TokenRequest},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};
use url::{Url, form_urlencoded};

const BASE: &str = "https://api.example.com/base";
/// Made for this test, and good for nothing else.
const PEM: &str = include_str!("signing_key.pem");
/// What stands before an RSA key of 2048 bits in PKCS #8.
const PKCS8_HEADER: usize = 26;

fn base() -> Url {
    Url::parse(BASE).unwrap()
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

fn kind(secrets: &[&str], settings: Value, token: Value) -> Authentication {
    serde_json::from_value(json!({
        "kind": "oauth", "secrets": secrets, "settings": settings, "token": token,
        "headers": {"Authorization": "Bearer {access_token}"}
    }))
    .unwrap()
}

fn source(token: Value) -> TokenSource {
    serde_json::from_value(token).unwrap()
}

fn properties(pairs: &[(&str, &str)]) -> Properties {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect()
}

fn form(request: &TokenRequest) -> BTreeMap<String, String> {
    form_urlencoded::parse(&request.body).into_owned().collect()
}

fn expected(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn answer(status: u16, body: &str) -> Answer {
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: [("date".parse().unwrap(), "Tue, 14 Nov 2023 22:13:10 GMT".parse().unwrap())]
            .into_iter()
            .collect(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        received_at: now(),
        url: base(),
    }
}

fn granted(token: &Value, status: u16, body: &str) -> Result<Granted, Failure> {
    source(token.clone()).granted(&answer(status, body))
}

/// The seconds for which a token is good that came with this answer.
fn lifetime(token: &Value, body: &str) -> Option<i64> {
    let granted = granted(token, 200, body).ok().unwrap();
    granted.expires_at.map(|at| at.unix_seconds() - granted.received_at.unix_seconds())
}

#[test]
fn a_refresh_token_is_asked_with() {
    let token = source(
        json!({"url": "/oauth/token", "grant": "refresh_token", "parameters": {"tenant": "{tenant}", "none": "{none}"}}),
    );
    let given = properties(&[
        ("client_id", "app"),
        ("client_secret", "s&cret"),
        ("refresh_token", "R 1"),
        ("tenant", "eu"),
    ]);
    let request = token.request(&base(), &given, None, now()).ok().unwrap();
    assert_eq!(request.url.as_str(), "https://api.example.com/base/oauth/token");
    assert_eq!(request.headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(
        form(&request),
        expected(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", "R 1"),
            ("client_id", "app"),
            ("client_secret", "s&cret"),
            ("tenant", "eu"),
        ])
    );
    let missing = token.request(&base(), &properties(&[("client_id", "app")]), None, now());
    assert_eq!(missing.err(), Some(Unusable::Missing("refresh_token".into())));
}

#[test]
fn a_code_is_exchanged_with_what_it_is_bound_to() {
    let token = source(
        json!({"url": "https://login.example.com/token", "grant": "refresh_token", "client_authentication": "basic"}),
    );
    let given = properties(&[("client_id", "a:b"), ("client_secret", "c d")]);
    let code = Code {
        code: "C".into(),
        redirect_uri: "https://me.example.com/back".into(),
        verifier: Some("V".into()),
    };
    let request = token.request(&base(), &given, Some(&code), now()).ok().unwrap();
    assert_eq!(request.url.as_str(), "https://login.example.com/token");
    assert_eq!(request.headers["authorization"], format!("Basic {}", STANDARD.encode("a%3Ab:c+d")).as_str());
    assert!(request.headers["authorization"].is_sensitive());
    assert_eq!(
        form(&request),
        expected(&[
            ("grant_type", "authorization_code"),
            ("code", "C"),
            ("redirect_uri", "https://me.example.com/back"),
            ("code_verifier", "V"),
        ])
    );
}

#[test]
fn a_client_asks_for_itself() {
    let token =
        source(json!({"url": "/token", "grant": "client_credentials", "parameters": {"audience": "api"}}));
    let given = properties(&[("client_id", "app"), ("client_secret", "s")]);
    let request = token.request(&base(), &given, None, now()).ok().unwrap();
    assert_eq!(
        form(&request),
        expected(&[
            ("grant_type", "client_credentials"),
            ("client_id", "app"),
            ("client_secret", "s"),
            ("audience", "api"),
        ])
    );
}

/// Checks the signature, and gives the claims.
fn claims(assertion: &str) -> Value {
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&decode(header)).unwrap(),
        json!({"alg": "RS256", "typ": "JWT"})
    );
    let pair = RsaKeyPair::from_pkcs8(&der()).unwrap();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref())
        .verify(signed.as_bytes(), &decode(signature))
        .expect("the signature is good");
    serde_json::from_slice(&decode(claims)).unwrap()
}

fn der() -> Vec<u8> {
    let lines: String = PEM.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(lines).unwrap()
}

#[test]
fn an_assertion_is_signed_and_says_how_long_it_is_good() {
    let token = source(json!({"url": "{login_url}/token", "grant": "jwt_bearer",
        "jwt": {"algorithm": "RS256", "key": "pem", "lifetime": 180,
                "claims": {"iss": "{client_id}", "sub": "{user}", "aud": "{login_url}"}}}));
    let given = properties(&[
        ("pem", PEM),
        ("client_id", "app"),
        ("user", "me@example.com"),
        ("login_url", "https://login.example.com"),
    ]);
    let request = token.request(&base(), &given, None, now()).ok().unwrap();
    assert_eq!(request.url.as_str(), "https://login.example.com/token");
    let form = form(&request);
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    assert_eq!(
        claims(&form["assertion"]),
        json!({"iss": "app", "sub": "me@example.com", "aud": "https://login.example.com",
               "iat": 1_699_999_940, "exp": 1_700_000_180})
    );
}

#[test]
fn a_signed_request_carries_its_assertion_in_the_header() {
    let token = source(
        json!({"url": "/app/installations/{installation_id}/access_tokens", "grant": "signed_request",
        "answer": {"access_token": "/token", "expires_at": {"at": "/expires_at", "format": "iso8601"}},
        "jwt": {"algorithm": "RS256", "key": "pem", "lifetime": 540, "claims": {"iss": "{app_id}"}}}),
    );
    // The older form of a key, too.
    let pkcs1 = STANDARD.encode(&der()[PKCS8_HEADER..]);
    let pem = format!("-----BEGIN RSA PRIVATE KEY-----\n{pkcs1}\n-----END RSA PRIVATE KEY-----\n");
    let given = properties(&[("pem", &pem), ("app_id", "12"), ("installation_id", "../7")]);
    let request = token.request(&base(), &given, None, now()).ok().unwrap();
    assert_eq!(request.url.as_str(), "https://api.example.com/base/app/installations/..%2F7/access_tokens");
    assert!(request.body.is_empty());
    let header = request.headers["authorization"].to_str().unwrap();
    assert_eq!(claims(header.strip_prefix("Bearer ").unwrap())["iss"], "12");
}

#[test]
fn a_key_that_cannot_sign_is_refused_without_a_word_of_it() {
    let kind = kind(
        &["pem"],
        json!({}),
        json!({"url": "/token", "grant": "jwt_bearer",
               "jwt": {"algorithm": "RS256", "key": "pem", "lifetime": 180, "claims": {}}}),
    );
    assert_eq!(kind.accept(&properties(&[("pem", PEM)]), false), Ok(()));
    for wrong in [
        "c4n4ry",
        "-----BEGIN PRIVATE KEY-----\nc4n4ry==\n-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nYzRuNHJ5\n-----END PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\nYzRuNHJ5\n-----END RSA PRIVATE KEY-----",
    ] {
        let problem = kind.accept(&properties(&[("pem", wrong)]), false).unwrap_err();
        assert!(matches!(&problem, Unusable::NotAKey(name, _) if name == "pem"), "{problem}");
        assert!(!problem.to_string().contains("c4n4ry") && !problem.to_string().contains("YzRuNHJ5"));
    }
}

#[test]
fn what_a_credential_needs_depends_on_what_it_begins_with() {
    let kind = kind(
        &["client_secret", "refresh_token"],
        json!({"client_id": null, "login_url": "https://login.example.com"}),
        json!({"url": "{login_url}/token", "grant": "refresh_token"}),
    );
    let client = [("client_id", "app"), ("client_secret", "s")];
    let with = |more: &[(&str, &str)]| kind.with_defaults(properties(&[&client[..], more].concat()));
    assert_eq!(kind.accept(&with(&[("refresh_token", "R")]), false), Ok(()));
    assert_eq!(kind.accept(&with(&[]), true), Ok(()));
    assert_eq!(kind.accept(&with(&[]), false), Err(Unusable::Missing("refresh_token".into())));
    let no_client = kind.with_defaults(properties(&[("refresh_token", "R")]));
    assert_eq!(kind.accept(&no_client, false), Err(Unusable::Missing("client_secret".into())));
}

#[test]
fn a_token_is_read_with_what_comes_with_it() {
    let token = json!({"url": "/token", "grant": "refresh_token", "answer": {"base_url": "/instance_url"}});
    let body = r#"{"access_token": "A", "refresh_token": "R2", "expires_in": 1800, "scope": "read write",
                   "instance_url": "https://eu.example.com", "token_type": "bearer"}"#;
    let granted = granted(&token, 200, body).ok().unwrap();
    assert_eq!(granted.access_token.as_str(), "A");
    assert_eq!(granted.refresh_token.as_deref(), Some("R2"));
    assert_eq!(granted.scopes.as_deref(), Some("read write"));
    assert_eq!(granted.base_url.as_deref(), Some("https://eu.example.com"));
    assert_eq!(lifetime(&token, body), Some(1800));
    for (body, seconds) in [
        (r#"{"access_token": "A"}"#, None),
        (r#"{"access_token": "A", "expires_in": "60", "refresh_token": null}"#, Some(60)),
        (r#"{"access_token": "A", "expires_in": 1e30}"#, None),
        (r#"{"access_token": "A", "expires_in": 99999999999}"#, Some(3650 * 86_400)),
    ] {
        assert_eq!(lifetime(&token, body), seconds, "{body}");
    }
    let declared = json!({"url": "/token", "grant": "refresh_token", "lifetime": 7200});
    assert_eq!(lifetime(&declared, r#"{"access_token": "A"}"#), Some(7200));
    // The API's clock is ten seconds behind ours.
    let until = json!({"url": "/token", "grant": "refresh_token",
                       "answer": {"expires_at": {"at": "/until", "format": "iso8601"}}});
    assert_eq!(lifetime(&until, r#"{"access_token": "A", "until": "2023-11-14T23:13:10Z"}"#), Some(3600));
}

#[test]
fn what_brings_no_token_is_a_failure() {
    use FailureClass::*;
    let token = json!({"url": "/token", "grant": "refresh_token"});
    for (status, body, class) in [
        (400, r#"{"error": "invalid_grant", "error_description": "Token has been revoked."}"#, Credential),
        (401, r#"{"error": "invalid_client"}"#, Credential),
        (400, r#"{"error": "invalid_request"}"#, BadRequest),
        (400, r#"{"error": "temporarily_unavailable"}"#, Transient),
        (429, "{}", RateLimited),
        (503, "<html>", Transient),
        (404, "<html>", BadRequest),
        (302, "", Unknown),
        (200, "<html>", BadData),
        (200, r#"{"access_token": 7}"#, BadData),
        (200, r#"{"access_token": "a\nb"}"#, BadData),
        (200, r#"{"access_token": "A", "expires_in": 0}"#, BadData),
        (200, r#"{"access_token": "A""#, BadData),
        (200, r#"{"error": "bad_refresh_token"}"#, Credential),
    ] {
        assert_eq!(
            granted(&token, status, body).err().map(|failure| failure.class),
            Some(class),
            "{status} {body}"
        );
    }
    let own = json!({"url": "/token", "grant": "refresh_token", "errors": {"code": "/status", "rules": [
        {"status": [400], "code": "BAD_REFRESH_TOKEN", "class": "credential"}]}});
    let refused = granted(&own, 400, r#"{"status": "BAD_REFRESH_TOKEN"}"#).err().unwrap();
    assert_eq!(refused.class, Credential);
}

#[test]
fn the_url_of_an_authorization_has_all_but_the_secrets() {
    let kind = kind(
        &["client_secret", "refresh_token"],
        json!({"client_id": null, "shop": null}),
        json!({"url": "/token", "grant": "refresh_token",
               "authorize": {"url": "https://{shop}.example.com/authorize", "parameters": {"prompt": "consent"},
                             "scope_separator": ","}}),
    );
    let authorize = kind.token.unwrap().authorize.unwrap();
    let given = properties(&[("client_id", "app"), ("client_secret", "c4n4ry"), ("shop", "acme")]);
    let (state, verifier) = (nonce(&[7; 32]), nonce(&[8; 32]));
    let scopes = ["read".to_owned(), "write".to_owned()];
    let url = authorize
        .url(&base(), &given, "https://me.example.com/back?x=1", &scopes, &state, &verifier)
        .unwrap();
    assert_eq!(url.host_str(), Some("acme.example.com"));
    assert!(!url.as_str().contains("c4n4ry") && !url.as_str().contains(&verifier));
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
    let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    assert_eq!(
        query,
        expected(&[
            ("response_type", "code"),
            ("client_id", "app"),
            ("redirect_uri", "https://me.example.com/back?x=1"),
            ("scope", "read,write"),
            ("state", &state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("prompt", "consent"),
        ])
    );
    let elsewhere = properties(&[("client_id", "app"), ("shop", "evil.example/")]);
    let refused = authorize.url(&base(), &elsewhere, "https://me.example.com", &[], &state, &verifier);
    assert!(matches!(refused, Err(Unusable::NotAUrl(_))));
}

#[test]
fn secrets_stay_with_the_server_that_they_were_given_for() {
    let with = |url: &str, settings: Value| {
        kind(&["client_secret"], settings, json!({"url": url, "grant": "client_credentials"}))
    };
    let old = with("https://login.example.com/token", json!({}));
    assert!(!with("https://login.example.com/token", json!({})).moves_from(&old));
    assert!(!with("/token", json!({})).moves_from(&old));
    assert!(with("https://evil.example/token", json!({})).moves_from(&old));
    let setting = with("{login_url}/token", json!({"login_url": "https://login.example.com"}));
    assert!(with("{login_url}/token", json!({"login_url": "https://evil.example"})).moves_from(&setting));
    assert!(setting.moves_from(&with("/token", json!({}))));
}
