//! skopeo and crane push and pull: to the scripted registry, which so behaves as one does, and to real ones, which so
//! are set up as they should be.

use std::fs;
use std::path::Path;

use serde_json::json;
use strake_testkit::certificates::Certificates;
use strake_testkit::command::{command, output_of, stdout_of};
use strake_testkit::image::{Image, MANIFEST};
use strake_testkit::peer::require;
use strake_testkit::proxy::Proxy;
use strake_testkit::registries::{Access, PASSWORD, Program, RealRegistry, Setup, USER};
use strake_testkit::registry::{
    Auth, Blobs, Effect, Fault, Locations, Personality, Port, Registry, Tokens, digest,
};

const SIZES: [usize; 3] = [1000, 300_000, 2_000_000];
const IDENTITY: &str = "an identity token";

/// A client that pushes an image, and pulls it again.
#[derive(Clone, Copy, Debug)]
enum Client {
    Skopeo,
    Crane,
}

/// Pushes an image as `some/app:1`, pulls it, and looks at what has come back.
fn there_and_back(client: Client, address: &str, credentials: bool, certificates: Option<&Certificates>) {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path();
    let image = Image::of_sizes(&SIZES);
    image.write_layout(&place.join("image"), "it");
    match client {
        Client::Skopeo => skopeo_both_ways(place, address, credentials, certificates),
        Client::Crane => crane_both_ways(place, address, credentials, certificates),
    }
    for blob in image.blobs.iter().chain([&image.manifest]) {
        let file = place.join("back/blobs/sha256").join(&digest(blob)[7..]);
        assert_eq!(fs::read(&file).unwrap(), *blob, "{client:?} {}", file.display());
    }
}

fn skopeo_both_ways(place: &Path, address: &str, credentials: bool, certificates: Option<&Certificates>) {
    let copy = |prefix: &str, images: [&str; 2]| {
        let mut skopeo =
            command(require("skopeo"), ["--insecure-policy", "copy", "-q", "--preserve-digests"]);
        if credentials {
            skopeo.arg(format!("--{prefix}-creds={USER}:{PASSWORD}"));
        }
        match certificates {
            None => skopeo.arg(format!("--{prefix}-tls-verify=false")),
            Some(certificates) => {
                let directory = certificates.certs_d(address).join(address);
                skopeo.arg(format!("--{prefix}-cert-dir={}", directory.display()))
            }
        };
        stdout_of({
            skopeo.args(images).current_dir(place);
            skopeo
        });
    };
    let remote = format!("docker://{address}/some/app:1");
    copy("dest", ["oci:image:it", &remote]);
    copy("src", [&remote, "oci:back:it"]);
}

fn crane_both_ways(place: &Path, address: &str, credentials: bool, certificates: Option<&Certificates>) {
    let auth = json!({"username": USER, "password": PASSWORD});
    let auths = if credentials { json!({address: auth}) } else { json!({}) };
    crane(
        place,
        &json!({"auths": auths}),
        certificates,
        &["push", "image", &format!("{address}/some/app:1")],
    );
    let pull = ["pull", "--format=oci", &format!("{address}/some/app:1"), "back"];
    crane(place, &json!({"auths": auths}), certificates, &pull);
}

fn crane(place: &Path, config: &serde_json::Value, certificates: Option<&Certificates>, arguments: &[&str]) {
    fs::write(place.join("config.json"), config.to_string()).unwrap();
    let mut crane = command(require("crane"), arguments);
    crane.current_dir(place).env("DOCKER_CONFIG", place);
    if let Some(certificates) = certificates {
        crane.env("SSL_CERT_FILE", certificates.file("ca.crt"));
    }
    stdout_of(crane);
}

/// The same with a scripted registry, and looks at what is there in between.
fn scripted(client: Client, registry: &Registry, credentials: bool, certificates: Option<&Certificates>) {
    there_and_back(client, &registry.address(), credentials, certificates);
    assert_eq!(registry.complete("some/app", "1"), Ok(()));
    assert_eq!(registry.manifest("some/app", "1").unwrap().0, MANIFEST);
    assert_eq!(registry.blobs("some/app").len(), SIZES.len() + 1);
    assert_eq!(registry.open_uploads(), 0);
}

fn basic() -> Auth {
    Auth::Basic(USER.to_owned(), PASSWORD.to_owned())
}

#[test]
#[ignore = "needs skopeo, crane"]
fn clients_use_the_scripted_registry() {
    let tokens = || Tokens::new(USER, PASSWORD);
    let bare = Auth::Token(Tokens { fields: &["access_token"], expires_in: None, ..tokens() });
    let other_port = Auth::Token(Tokens { other_port: true, ..tokens() });
    let there = (Locations::OtherHost, Blobs::Redirected);
    let here = (Locations::Relative, Blobs::Direct);
    // skopeo 1.9.3 sends its credentials to the other host; crane 0.22.1 asks only public addresses for tokens, or the
    // registry itself.
    for (client, auth, (locations, blobs)) in [
        (Client::Skopeo, Auth::Anyone, here),
        (Client::Skopeo, Auth::Anyone, there),
        (Client::Skopeo, basic(), here),
        (Client::Skopeo, Auth::Token(tokens()), here),
        (Client::Skopeo, bare.clone(), here),
        (Client::Skopeo, other_port, here),
        (Client::Crane, Auth::Anyone, here),
        (Client::Crane, basic(), here),
        (Client::Crane, basic(), there),
        (Client::Crane, bare, there),
        (Client::Crane, Auth::Token(tokens()), here),
    ] {
        let credentials = !matches!(auth, Auth::Anyone);
        let personality = Personality { auth, locations, blobs, ..Personality::default() };
        scripted(client, &Registry::start(personality), credentials, None);
    }
}

#[test]
#[ignore = "needs crane"]
fn crane_asks_for_another_token_when_one_has_expired() {
    // It pulls: of the layers that it pushes, it cannot send one a second time.
    let tokens = Tokens { uses: Some(2), ..Tokens::new(USER, PASSWORD) };
    let registry = Registry::start(Personality { auth: Auth::Token(tokens), ..Personality::default() });
    Image::of_sizes(&SIZES).put(&registry, "app", "1");
    let directory = tempfile::tempdir().unwrap();
    let auths = json!({registry.address(): {"username": USER, "password": PASSWORD}});
    let pull = ["pull", "--format=oci", &format!("{}/app:1", registry.address()), "back"];
    crane(directory.path(), &json!({"auths": auths}), None, &pull);
    assert!(registry.count("GET", "/token") > 1);
}

#[test]
#[ignore = "needs skopeo, crane"]
fn clients_use_certificates() {
    let certificates = Certificates::new();
    for (client, of_clients) in [(Client::Skopeo, true), (Client::Skopeo, false), (Client::Crane, false)] {
        let tokens = Tokens::new(USER, PASSWORD);
        let auth = if of_clients { basic() } else { Auth::Token(tokens) };
        let personality = Personality { auth, ..Personality::default() };
        let registry = Registry::start_tls(personality, &certificates, of_clients);
        scripted(client, &registry, true, Some(&certificates));
    }
}

#[test]
#[ignore = "needs crane"]
fn crane_uses_identity_tokens_mounts_and_tries_again() {
    let tokens = Tokens { identity_token: Some(IDENTITY.to_owned()), ..Tokens::new("nobody", "unknown") };
    let faults = vec![
        Fault::burst("PUT", "/blobs/uploads/", 2, 2, Effect::Status(503)),
        Fault::once("PUT", "/manifests/", 1, Effect::Status(500)),
    ];
    let registry =
        Registry::start(Personality { auth: Auth::Token(tokens), faults, ..Personality::default() });
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path();
    let image = Image::of_sizes(&SIZES);
    image.write_layout(&place.join("image"), "it");
    let config = json!({"auths": {registry.address(): {"identitytoken": IDENTITY}}});
    let name = |repository: &str| format!("{}/{repository}:1", registry.address());
    crane(place, &config, None, &["push", "image", &name("one")]);
    assert_eq!(registry.complete("one", "1"), Ok(()));
    assert!(registry.requests().iter().any(|request| request.line() == "POST /token 200"));
    for (path, failed) in [("/blobs/uploads/", 2), ("/manifests/", 1)] {
        let requests = registry.requests();
        let puts = requests.iter().filter(|request| request.method == "PUT" && request.path.contains(path));
        assert_eq!(puts.filter(|request| request.status >= Some(500)).count(), failed, "{path}");
    }

    registry.clear_log();
    crane(place, &config, None, &["copy", &name("one"), &name("two")]);
    assert_eq!(registry.complete("two", "1"), Ok(()));
    let mounts = registry.requests().into_iter().filter(|request| request.query.contains("mount="));
    assert_eq!(mounts.filter(|request| request.status == Some(201)).count(), image.blobs.len());
    assert_eq!(registry.count("PUT", "/blobs/uploads/"), 0);
}

#[test]
#[ignore = "needs skopeo, crane, docker-registry, registry"]
fn clients_use_real_registries() {
    let certificates = Certificates::new();
    for program in [Program::Distribution2, Program::Distribution3] {
        for (client, access) in [
            (Client::Crane, Access::Anyone),
            (Client::Crane, Access::Password),
            (Client::Skopeo, Access::Password),
            (Client::Skopeo, Access::Token),
        ] {
            for certificates in [None, Some(&certificates)] {
                let of_clients = certificates.is_some() && matches!(client, Client::Skopeo);
                let registry = RealRegistry::start(program, Setup { access, certificates, of_clients });
                there_and_back(client, &registry.address(), access != Access::Anyone, certificates);
                let asked = registry.tokens().map(|tokens| tokens.count("GET", "/token"));
                assert_eq!(asked.is_some_and(|asked| asked > 0), access == Access::Token);
            }
        }
    }
    there_and_back(
        Client::Skopeo,
        &RealRegistry::start(Program::Crane, Setup::default()).address(),
        false,
        None,
    );
}

#[test]
#[ignore = "needs skopeo, docker-registry, registry"]
fn real_registries_refuse_those_they_do_not_know() {
    let certificates = Certificates::new();
    let authority = tempfile::tempdir().unwrap();
    fs::copy(certificates.file("ca.crt"), authority.path().join("ca.crt")).unwrap();
    for program in [Program::Distribution2, Program::Distribution3] {
        for setup in [
            Setup { access: Access::Password, ..Setup::default() },
            Setup { access: Access::Token, ..Setup::default() },
            Setup { certificates: Some(&certificates), ..Setup::default() },
            Setup { certificates: Some(&certificates), of_clients: true, ..Setup::default() },
        ] {
            let registry = RealRegistry::start(program, setup);
            let mut skopeo = command(require("skopeo"), ["list-tags"]);
            if setup.certificates.is_none() {
                skopeo.arg("--tls-verify=false");
            }
            if setup.of_clients {
                skopeo.arg("--cert-dir").arg(authority.path());
            }
            let output = output_of(skopeo.arg(format!("docker://{}/some/app", registry.address())));
            assert!(!output.status.success(), "{program:?}");
            let said = strake_testkit::command::text(&output.stderr);
            let why = ["unauthorized", "authentication required", "certificate"];
            assert!(why.iter().any(|why| said.contains(why)), "{said}");
        }
    }
}

#[test]
#[ignore = "needs crane"]
fn clients_go_through_the_proxy() {
    let certificates = Certificates::new();
    let secure = Registry::start_tls(Personality::default(), &certificates, false);
    let plain = Registry::start(Personality::default());
    let hosts = [("registry.test:443", &*secure.address()), ("plain.local:5000", &*plain.address())];
    let proxy = Proxy::start(&hosts);
    for (name, registry, host, method) in [
        ("registry.test/app:1", &secure, "registry.test:443", "CONNECT"),
        ("plain.local:5000/app:1", &plain, "plain.local:5000", "PUT"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path();
        Image::of_sizes(&SIZES).write_layout(&place.join("image"), "it");
        let mut crane = command(require("crane"), ["push", "--insecure", "image", name]);
        let url = format!("http://user:word@{}", proxy.address());
        crane.current_dir(place).env("DOCKER_CONFIG", place).env("HTTP_PROXY", &url).env("HTTPS_PROXY", &url);
        crane.env("SSL_CERT_FILE", certificates.file("ca.crt"));
        stdout_of(crane);
        assert_eq!(registry.complete("app", "1"), Ok(()));
        let asked = proxy.asked().into_iter().find(|asked| asked.host == host && asked.method == method);
        assert_eq!(asked.and_then(|asked| asked.authorization).as_deref(), Some("Basic dXNlcjp3b3Jk"));
    }
    assert_eq!(proxy.hosts(), ["plain.local:5000", "registry.test:443"]);
    assert!(plain.requests().iter().all(|request| request.port == Port::Registry));
}
