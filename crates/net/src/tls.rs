//! TLS: rustls with ring, trusting what the machine trusts.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

use crate::error::StartError;

/// A TLS configuration, and whether it trusts anybody. Without roots it is still made: a machine
/// without certificates can speak to a local server, and learns why nothing else works when it
/// asks.
pub(crate) fn configuration() -> Result<(ClientConfig, bool), StartError> {
    let mut roots = RootCertStore::empty();
    // Stores often have ancient certificates that can't be parsed: those are passed over.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let trusting = !roots.is_empty();

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut configuration = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StartError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    configuration.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((configuration, trusting))
}
