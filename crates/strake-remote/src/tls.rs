//! TLS and CA certificates.
//!
//! Directories of certificates are laid out as `containers-certs.d(5)` and Docker have it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use crate::error::RemoteError;
use crate::settings::Settings;

/// The configuration for a host that a registry sends us to, or for the registry itself. The registry's CA
/// certificates are valid for that host as well, which often belongs to the same company; but client certificates are only
/// sent to hosts that the user has named.
pub(crate) fn config(settings: &Settings, host: &str, registry: &str) -> Result<TlsConfig, RemoteError> {
    let by_host = |host: &str| -> Vec<PathBuf> {
        settings.certificates_by_host.iter().map(|directory| directory.join(host)).collect()
    };
    let of_registry = by_host(registry).into_iter().chain(settings.certificates.iter().cloned());
    let mut directories: Vec<(PathBuf, bool)> =
        of_registry.map(|directory| (directory, host == registry)).collect();
    if host != registry {
        directories.extend(by_host(host).into_iter().map(|directory| (directory, true)));
    }
    let mut roots = Vec::new();
    if settings.verify_tls {
        match &settings.root_certificates {
            Some(file) => roots.extend(certificates(file)?),
            None => roots.extend(system()),
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut client = None;
    for (directory, is_for_host) in directories {
        let is_wanted = settings.certificates.contains(&directory);
        let files = match list(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_wanted => continue,
            files => files.map_err(|source| RemoteError::Certificates { path: directory, source })?,
        };
        for file in files {
            match file.extension().and_then(|extension| extension.to_str()) {
                Some("crt") => roots.extend(certificates(&file)?),
                Some("cert") if is_for_host => {
                    client = Some(self::client(&file, &file.with_extension("key"), &provider)?);
                }
                _ => {}
            }
        }
    }
    Ok(TlsConfig::builder()
        .unversioned_rustls_crypto_provider(provider)
        .root_certs(RootCerts::from(roots))
        .client_cert(client)
        .disable_verification(!settings.verify_tls)
        .build())
}

/// The CA certificates of this machine. A certificate that cannot be read is ignored.
pub(crate) fn system() -> Vec<Certificate<'static>> {
    let found = rustls_native_certs::load_native_certs().certs;
    found.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect()
}

/// The files of a directory in the order of their names.
fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        files.push(entry?.path());
    }
    files.sort();
    Ok(files)
}

fn items(path: &Path) -> Result<Vec<PemItem<'static>>, RemoteError> {
    let failed = |source| RemoteError::Certificates { path: path.to_owned(), source };
    let text = fs::read(path).map_err(failed)?;
    let items = parse_pem(&text).collect::<Result<Vec<_>, _>>();
    items.map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error.to_string())))
}

pub(crate) fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, RemoteError> {
    let certificate = |item| match item {
        PemItem::Certificate(certificate) => Some(certificate),
        _ => None,
    };
    let found: Vec<_> = items(path)?.into_iter().filter_map(certificate).collect();
    if found.is_empty() {
        let source = io::Error::new(io::ErrorKind::InvalidData, "there is no certificate in it");
        return Err(RemoteError::Certificates { path: path.to_owned(), source });
    }
    Ok(found)
}

pub(crate) fn client(
    certificate: &Path,
    path: &Path,
    provider: &CryptoProvider,
) -> Result<ClientCert, RemoteError> {
    let chain = certificates(certificate)?;
    let private = |item| match item {
        PemItem::PrivateKey(key) => Some(key),
        _ => None,
    };
    let found: Option<PrivateKey<'static>> = items(path)?.into_iter().find_map(private);
    let missing = || io::Error::new(io::ErrorKind::InvalidData, "there is no private key in it");
    let failed = |source| RemoteError::Certificates { path: path.to_owned(), source };
    let key = found.ok_or_else(|| failed(missing()))?;
    let der = chain.iter().map(|certificate| CertificateDer::from(certificate.der().to_vec())).collect();
    let unusable =
        |error: &dyn std::error::Error| failed(io::Error::new(io::ErrorKind::InvalidData, error.to_string()));
    let private = PrivateKeyDer::try_from(key.der().to_vec());
    let private = private.map_err(|reason| failed(io::Error::new(io::ErrorKind::InvalidData, reason)))?;
    // Its users rely on the two belonging together.
    CertifiedKey::from_der(der, private, provider).map_err(|error| unusable(&error))?;
    Ok(ClientCert::new_with_certs(&chain, key))
}
