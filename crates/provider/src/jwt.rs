//! Signed assertions (RFC 7519): who asks, to whom, and until when that may be believed.

use crate::{
    authentication::{Properties, Unusable, given},
    declaration::{Algorithm, Jwt},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use sequin_domain::secret::Secret;
use serde_json::{Map, Value, json};
use std::time::{Duration, SystemTime};
use zeroize::Zeroizing;

/// How far our clock may be ahead of who reads the assertion.
const CLOCK_SLACK: Duration = Duration::from_secs(60);

/// The assertion of a credential, as of `now`.
pub(crate) fn assertion(jwt: &Jwt, properties: &Properties, now: SystemTime) -> Result<String, Unusable> {
    let pair = key_pair(jwt, properties)?;
    let seconds =
        |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut claims: Map<String, Value> = jwt
        .claims
        .iter()
        .map(|(name, template)| {
            let value = template.fill(|property| properties.get(property).map(Secret::as_str));
            (name.clone(), Value::String(value))
        })
        .collect();
    claims.insert("iat".to_owned(), seconds(now - CLOCK_SLACK).into());
    claims.insert("exp".to_owned(), seconds(now + Duration::from_secs(jwt.lifetime)).into());
    let Algorithm::Rs256 = jwt.algorithm;
    let header = json!({"alg": "RS256", "typ": "JWT"});
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&header), encode(&Value::Object(claims)));
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .map_err(|_| Unusable::NotAKey(jwt.key.clone(), "it can't sign".to_owned()))?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// The key that signs; what is wrong with one is said without a word of it.
pub(crate) fn key_pair(jwt: &Jwt, properties: &Properties) -> Result<RsaKeyPair, Unusable> {
    let unusable = |why: &str| Unusable::NotAKey(jwt.key.clone(), why.to_owned());
    let pem = given(properties, &jwt.key)?;
    let pair = if let Some(der) = pem_body(pem, "RSA PRIVATE KEY") {
        RsaKeyPair::from_der(&der)
    } else if let Some(der) = pem_body(pem, "PRIVATE KEY") {
        RsaKeyPair::from_pkcs8(&der)
    } else {
        return Err(unusable("it is not in PEM form, -----BEGIN PRIVATE KEY----- and so on"));
    };
    pair.map_err(|rejected| unusable(&format!("it must be an RSA key of 2048 to 4096 bits ({rejected})")))
}

/// What stands between the lines that begin and end a thing of this kind.
fn pem_body(pem: &str, label: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (_, rest) = pem.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let body = Zeroizing::new(body.split_ascii_whitespace().collect::<String>());
    STANDARD.decode(body.as_bytes()).ok().map(Zeroizing::new)
}
