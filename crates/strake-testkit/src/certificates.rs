//! Certificates for one test, and tokens signed with one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, RsaKeySize,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::json;
use tempfile::TempDir;

/// An authority of the test's own with a server's and a client's certificate, as files in a directory: `ca.crt`,
/// `server.crt`, `server.key`, `client.cert`, `client.key`.
pub struct Certificates {
    directory: TempDir,
}

/// A kind of key that private authorities use.
#[derive(Clone, Copy, Debug)]
pub enum KeyKind {
    /// ECDSA with SHA-256.
    P256,
    /// ECDSA with SHA-384.
    P384,
    /// ECDSA with SHA-512.
    P521,
    /// `EdDSA`.
    Ed25519,
    /// PKCS #1 with SHA-256.
    Rsa2048,
    /// PKCS #1 with SHA-512.
    Rsa4096,
}

impl KeyKind {
    /// Each of them.
    pub const ALL: [Self; 6] =
        [Self::P256, Self::P384, Self::P521, Self::Ed25519, Self::Rsa2048, Self::Rsa4096];

    fn generate(self) -> KeyPair {
        let pair = match self {
            Self::P256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
            Self::P384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
            Self::P521 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512),
            Self::Ed25519 => KeyPair::generate_for(&rcgen::PKCS_ED25519),
            Self::Rsa2048 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048),
            Self::Rsa4096 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA512, RsaKeySize::_4096),
        };
        pair.expect("a key")
    }
}

impl Certificates {
    /// Makes them. The server is `localhost`, `127.0.0.1`, `::1` and `registry.test`.
    pub fn new() -> Self {
        Self::of(KeyKind::P256)
    }

    /// The same, all with keys of this kind.
    pub fn of(kind: KeyKind) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let write = |name: &str, text: String| {
            fs::write(directory.path().join(name), text).expect("the file can be written");
        };
        let ca_key = kind.generate();
        let mut ca = params("strake's tests", &[]);
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        write("ca.crt", ca.self_signed(&ca_key).expect("a certificate").pem());
        let issuer = Issuer::new(ca, ca_key);
        for (name, extension, names, usage) in [
            ("server", "crt", &SERVER_NAMES[..], ExtendedKeyUsagePurpose::ServerAuth),
            ("client", "cert", &["client.test"], ExtendedKeyUsagePurpose::ClientAuth),
        ] {
            let key = kind.generate();
            let mut params = params(name, names);
            params.extended_key_usages = vec![usage];
            let certificate = params.signed_by(&key, &issuer).expect("a certificate");
            write(&format!("{name}.{extension}"), certificate.pem());
            write(&format!("{name}.key"), key.serialize_pem());
        }
        Self { directory }
    }

    /// A file's place.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Lays the authority's and the client's files out as Docker, containerd and podman look for them, in
    /// `certs.d/HOST/`, and returns the place of `certs.d`.
    pub fn certs_d(&self, host: &str) -> PathBuf {
        let certs_d = self.file("certs.d");
        let place = certs_d.join(host);
        fs::create_dir_all(&place).expect("the directory can be made");
        for name in ["ca.crt", "client.cert", "client.key"] {
            fs::copy(self.file(name), place.join(name)).expect("the file can be copied");
        }
        certs_d
    }

    /// The configuration of a server, which asks clients for certificates or not.
    pub(crate) fn server(&self, of_clients: bool) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().expect("the versions are known");
        let builder = if of_clients {
            let mut roots = RootCertStore::empty();
            roots.add(certificate(&self.file("ca.crt"))).expect("a certificate");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("the authority is one"))
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::from_pem_file(self.file("server.key")).expect("a key");
        let mut config = builder
            .with_single_cert(vec![certificate(&self.file("server.crt"))], key)
            .expect("the key belongs to the certificate");
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

const SERVER_NAMES: [&str; 4] = ["localhost", "127.0.0.1", "::1", "registry.test"];

fn params(name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).expect("names of hosts");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn certificate(file: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(file).expect("a certificate")
}

/// Signs tokens as <https://distribution.github.io/distribution/spec/auth/jwt/> has them.
#[derive(Clone, Debug)]
pub struct Signer {
    /// The certificate, as DER.
    certificate: Vec<u8>,
    /// The key, as PKCS #8.
    key: Vec<u8>,
}

impl Signer {
    /// The name that tokens are issued by.
    pub const ISSUER: &'static str = "strake's tests";

    /// Makes a key with a certificate, which is written as PEM to a file: distribution's `rootcertbundle`.
    pub fn new(bundle: &Path) -> Self {
        let key = KeyPair::generate().expect("a key");
        let certificate = params(Self::ISSUER, &[]).self_signed(&key).expect("a certificate");
        fs::write(bundle, certificate.pem()).expect("the file can be written");
        Self { certificate: certificate.der().to_vec(), key: key.serialize_der() }
    }

    /// A token that is good for these actions in repositories, for five minutes.
    pub(crate) fn token(&self, subject: &str, service: &str, scope: &BTreeSet<(String, String)>) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_secs();
        let access: Vec<_> = scope
            .iter()
            .map(|(name, action)| json!({"type": "repository", "name": name, "actions": [action]}))
            .collect();
        let header = json!({"typ": "JWT", "alg": "ES256", "x5c": [BASE64.encode(&self.certificate)]});
        let claims = json!({"iss": Self::ISSUER, "sub": subject, "aud": service, "jti": format!("{now}"),
            "iat": now, "nbf": now - 10, "exp": now + 300, "access": access});
        let part = |value: &serde_json::Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.key).expect("a key");
        let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).expect("a signature");
        format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }
}
