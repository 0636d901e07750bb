//! Where a user is sent to let an application in.

use crate::{
    authentication::{Properties, Unusable, given},
    declaration::Authorize,
    token::address,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sequin_domain::secret::Secret;
use sha2::{Digest, Sha256};
use url::Url;

/// Random bytes as a text that can stand in a URL.
pub fn nonce(random: &[u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode(random)
}

impl Authorize {
    /// The URL. There is no secret in it: `verifier` stands in it as its hash, where it does.
    pub fn url(
        &self,
        base: &Url,
        properties: &Properties,
        redirect_uri: &str,
        scopes: &[String],
        state: &str,
        verifier: &str,
    ) -> Result<Url, Unusable> {
        let mut url = address(&self.url, base, properties)?;
        let mut query = url.query_pairs_mut();
        query.append_pair("response_type", "code");
        query.append_pair("client_id", given(properties, "client_id")?);
        query.append_pair("redirect_uri", redirect_uri);
        if !scopes.is_empty() {
            query.append_pair("scope", &scopes.join(&self.scope_separator));
        }
        query.append_pair("state", state);
        if self.pkce {
            let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
            query.append_pair("code_challenge", &challenge).append_pair("code_challenge_method", "S256");
        }
        for (name, template) in &self.parameters {
            query.append_pair(name, &template.fill(|setting| properties.get(setting).map(Secret::as_str)));
        }
        drop(query);
        Ok(url)
    }
}
