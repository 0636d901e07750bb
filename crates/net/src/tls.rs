//! TLS: rustls with ring, trusting what the machine trusts and what the operator adds.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::error::{StartError, Unusable};

/// Why no server is verified, and so none is asked.
#[derive(Clone)]
pub(crate) enum Distrust {
    /// The machine has no certificates, and none were added.
    NoRoots,
    /// What was to be added can't be. Those of the machine alone would be a silent change of mind.
    Unusable(Unusable),
}

/// A TLS configuration, and what keeps it from being used. It is made in any case: who trusts nobody
/// can speak to a local server, and learns why nothing else works when it asks.
///
/// `ca_file`: certificates in PEM beside those of the machine.
pub(crate) fn configuration(ca_file: Option<&Path>) -> Result<(ClientConfig, Option<Distrust>), StartError> {
    let mut roots = RootCertStore::empty();
    // Stores often have ancient certificates that can't be parsed: those are passed over.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let added = ca_file.map_or(Ok(()), |file| add_ca_file(&mut roots, file));
    let distrust = match added {
        Err(unusable) => Some(Distrust::Unusable(unusable)),
        Ok(()) => roots.is_empty().then_some(Distrust::NoRoots),
    };

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut configuration = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StartError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    configuration.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((configuration, distrust))
}

/// Whether a file of CA certificates can be used.
pub(crate) fn check_ca_file(file: &Path) -> Result<(), Unusable> {
    add_ca_file(&mut RootCertStore::empty(), file)
}

/// Adds all certificates of the file. Unlike in the machine's store, each has to be sound: somebody
/// put it there on purpose.
fn add_ca_file(roots: &mut RootCertStore, file: &Path) -> Result<(), Unusable> {
    let unusable = |problem: String| Unusable::CaFile { file: file.to_owned(), problem };
    let pem = std::fs::read(file).map_err(|error| unusable(format!("it can't be read: {error}")))?;
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        count += 1;
        certificate
            .map_err(|error| error.to_string())
            .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()))
            .map_err(|error| unusable(format!("certificate {count} in it can't be used: {error}")))?;
    }
    if count == 0 {
        return Err(unusable("there is no certificate in it".to_owned()));
    }
    Ok(())
}
