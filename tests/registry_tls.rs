use std::fs;
use std::os::unix::fs::symlink;

use strake_testkit::certificates::{Certificates, KeyKind};
use strake_testkit::proxy::Proxy;
use strake_testkit::registry::{Auth, Blobs, Locations, Personality, Port, Registry, Tokens};

use crate::registry::User;
use crate::strake::Ran;

fn secure(certificates: &Certificates, of_clients: bool) -> Registry {
    Registry::start_tls(Personality::default(), certificates, of_clients)
}

fn push_to(user: &User, name: &str, options: &[&str]) -> Ran {
    user.image(&[1000, 2000]);
    user.run(&[&["copy", "-q"], options, &["oci:image", &format!("docker://{name}/app:1")]].concat())
}

fn pushes(user: &User, registry: &Registry, name: &str, options: &[&str]) {
    let ran = push_to(user, name, options);
    assert_eq!(ran.code, Some(0), "{options:?} {:?} {}", user.variables, ran.stderr);
    assert_eq!(registry.complete("app", "1"), Ok(()));
    user.ok(&[&["verify"], options, &[&format!("docker://{name}/app:1")]].concat());
}

/// The directory for `--cert-dir`.
fn directory(certificates: &Certificates, host: &str) -> String {
    certificates.certs_d(host).join(host).to_str().unwrap().to_owned()
}

/// A user in whose configuration `certs.d` has these certificates for a host.
fn with_certs_d(certificates: &Certificates, host: &str, under: &str) -> User {
    let user = User::new();
    fs::create_dir_all(user.path(under)).unwrap();
    symlink(certificates.certs_d(host), user.path(under).join("certs.d")).unwrap();
    user
}

#[test]
fn authorities() {
    let certificates = Certificates::new();
    let authority = certificates.file("ca.crt");
    let registry = secure(&certificates, false);
    let address = registry.address();
    pushes(&User::new(), &registry, &address, &["--cert-dir", &directory(&certificates, &address)]);
    pushes(&User::new(), &registry, &address, &["--tls-verify=false"]);
    for name in ["SSL_CERT_FILE", "NIX_SSL_CERT_FILE"] {
        pushes(&User::new().with(name, &authority), &registry, &address, &[]);
    }
    // Nix's value for "no certificates" is ignored where `SSL_CERT_FILE` is set.
    let user = User::new().with("NIX_SSL_CERT_FILE", "/no-cert-file.crt").with("SSL_CERT_FILE", &authority);
    pushes(&user, &registry, &address, &["--tls-verify"]);
    for under in [".config/containers", ".config/docker"] {
        pushes(&with_certs_d(&certificates, &address, under), &registry, &address, &[]);
    }
    let user = with_certs_d(&certificates, &address, "elsewhere/containers");
    let elsewhere = user.path("elsewhere");
    pushes(&user.with("XDG_CONFIG_HOME", elsewhere), &registry, &address, &[]);
    let by_name = format!("localhost:{}", address.rsplit_once(':').unwrap().1);
    pushes(&with_certs_d(&certificates, &by_name, ".config/containers"), &registry, &by_name, &[]);
}

#[test]
fn who_cannot_be_trusted() {
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let registry = secure(&certificates, false);
    let address = registry.address();
    for (user, options) in [
        (User::new(), &[][..]),
        (User::new(), &["--cert-dir", &*directory(&others, &address)]),
        (User::new().with("SSL_CERT_FILE", others.file("ca.crt")), &[]),
        // The certificates of another registry are not for this one.
        (with_certs_d(&certificates, "127.0.0.1", ".config/containers"), &[]),
    ] {
        let ran = push_to(&user, &address, &[options, &["--creds=tester:s3cr3t"]].concat());
        ran.failed(&["no safe connection to 127.0.0.1", "hint: give the CA certificate with --cert-dir"]);
        assert!(!ran.stderr.contains("s3cr3t"));
    }
    assert!(registry.requests().is_empty(), "{:?}", registry.requests());
}

#[test]
fn certificates_of_clients() {
    let certificates = Certificates::new();
    let registry = secure(&certificates, true);
    let address = registry.address();
    pushes(&User::new(), &registry, &address, &["--cert-dir", &directory(&certificates, &address)]);
    pushes(&with_certs_d(&certificates, &address, ".config/containers"), &registry, &address, &[]);
    pushes(
        &User::new(),
        &registry,
        &address,
        &["--tls-verify=false", "--cert-dir", &directory(&certificates, &address)],
    );
    let user = User::new().with("SSL_CERT_FILE", certificates.file("ca.crt"));
    push_to(&user, &address, &[]).failed(&["no safe connection to 127.0.0.1", "hint:"]);
}

/// Private authorities use other keys than public ones do, for themselves, for servers and for clients.
#[test]
fn keys_of_all_kinds() {
    for kind in KeyKind::ALL {
        let certificates = Certificates::of(kind);
        let registry = secure(&certificates, true);
        let address = registry.address();
        pushes(&User::new(), &registry, &address, &["--cert-dir", &directory(&certificates, &address)]);
    }
}

#[test]
fn other_hosts_and_tokens_over_tls() {
    let certificates = Certificates::new();
    for other_port in [false, true] {
        let tokens = Tokens { other_port, ..Tokens::new("tester", "s3cr3t") };
        let personality = Personality {
            auth: Auth::Token(tokens),
            locations: Locations::OtherHost,
            blobs: Blobs::Redirected,
            ..Personality::default()
        };
        let registry = Registry::start_tls(personality, &certificates, false);
        let address = registry.address();
        let user = User::new().with("SSL_CERT_FILE", certificates.file("ca.crt"));
        pushes(&user, &registry, &address, &["--creds=tester:s3cr3t"]);
        // The registry's CA certificates are valid for hosts that it redirects to, too.
        let user = with_certs_d(&certificates, &address, ".config/containers");
        pushes(&user, &registry, &address, &["--creds=tester:s3cr3t"]);
        let options = ["--creds=tester:s3cr3t", "--cert-dir", &directory(&certificates, &address)];
        pushes(&User::new(), &registry, &address, &options);
        let ports: Vec<Port> = registry.requests().iter().map(|request| request.port).collect();
        assert!(ports.contains(&Port::Storage) && ports.contains(&Port::Tokens) == other_port);
    }
}

#[test]
fn files_that_are_no_certificates() {
    let certificates = Certificates::new();
    let registry = secure(&certificates, false);
    let address = registry.address();
    let with = |name: &str, text: &[u8]| {
        let user = User::new();
        user.write("certs/ca.crt", fs::read(certificates.file("ca.crt")).unwrap());
        user.write(name, text);
        push_to(&user, &address, &["--cert-dir=certs"])
    };
    let client = fs::read(certificates.file("client.cert")).unwrap();
    let key = fs::read(certificates.file("server.key")).unwrap();
    let junk = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (name, text) in [
        ("certs/b.crt", &b""[..]),
        ("certs/b.crt", b"junk"),
        ("certs/b.crt", b"-----BEGIN CERTIFICATE-----\nA"),
        ("certs/b.crt", &key),
        ("certs/client.cert", &client),
        ("certs/client.cert", b"junk"),
        ("certs/client.cert", junk),
    ] {
        with(name, text).failed(&["cannot use the certificates in", "certs/"]);
    }
    // A key that belongs to another certificate.
    let user = User::new();
    user.write("certs/client.cert", &client);
    user.write("certs/client.key", &key);
    push_to(&user, &address, &["--cert-dir=certs"]).failed(&["client.key"]);
    push_to(&User::new(), &address, &["--cert-dir=gone"]).failed(&["cannot use the certificates in gone"]);
    for path in ["/gone", "/etc/hostname"] {
        let user = User::new().with("SSL_CERT_FILE", path);
        push_to(&user, &address, &[]).failed(&["cannot use the certificates in", path]);
    }
    assert!(registry.requests().is_empty());
}

/// Hosts that only the proxy resolves: a registry with TLS, one under a name that is not its own, one without TLS.
#[test]
fn proxies() {
    let certificates = Certificates::new();
    let (registry, plain) = (secure(&certificates, false), Registry::start(Personality::default()));
    let start = || {
        let address = registry.address();
        Proxy::start(&[
            ("registry.test:443", &*address),
            ("other.test:443", &*address),
            ("plain.test:5000", &*plain.address()),
        ])
    };
    let user_of = |proxy: &Proxy, names: &[&'static str]| {
        let user = User::new().with("SSL_CERT_FILE", certificates.file("ca.crt"));
        names.iter().fold(user, |user, name| user.with(name, format!("http://user:w0rd@{}", proxy.address())))
    };
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        let proxy = start();
        pushes(&user_of(&proxy, &[name]), &registry, "registry.test", &[]);
        assert_eq!(proxy.hosts(), ["registry.test:443"]);
        let shown =
            proxy.asked().iter().all(|asked| asked.authorization.as_deref() == Some("Basic dXNlcjp3MHJk"));
        assert!(shown, "{:?}", proxy.asked());
    }
    let proxy = start();
    let both = ["HTTPS_PROXY", "HTTP_PROXY"];
    // Another name than the certificate's.
    let ran = push_to(&user_of(&proxy, &both), "other.test", &[]);
    ran.failed(&["no safe connection to other.test", "hint:"]);
    // Without TLS only where that is said.
    let ran = push_to(&user_of(&proxy, &both), "plain.test:5000", &[]);
    ran.failed(&["plain.test:5000", "hint:"]);
    assert!(plain.requests().is_empty(), "{:?}", plain.requests());
    pushes(&user_of(&proxy, &both), &plain, "plain.test:5000", &["--tls-verify=false"]);
    // Not for these.
    let proxy = start();
    for none_for in ["registry.test", "*", ".test", "a.example,registry.test:443"] {
        let user = user_of(&proxy, &both).with("NO_PROXY", none_for);
        let ran = push_to(&user, "registry.test:443", &[]);
        ran.failed(&["cannot reach registry.test", "hint:"]);
    }
    pushes(&user_of(&proxy, &both), &registry, &registry.address(), &[]);
    pushes(&user_of(&proxy, &both), &plain, &plain.address(), &[]);
    assert!(proxy.asked().is_empty(), "{:?}", proxy.asked());
    // Proxies that are none.
    for (url, words) in [
        ("http://user:w0rd@127.0.0.1:1", &["registry.test", "hint:"][..]),
        ("::", &["is not the URL of a proxy"]),
        ("ftp://user:w0rd@127.0.0.1:1", &["is not the URL of a proxy"]),
    ] {
        let ran = push_to(&User::new().with("HTTPS_PROXY", url), "registry.test", &[]);
        ran.failed(words);
        assert!(!ran.stderr.contains("w0rd"), "{}", ran.stderr);
    }
}
