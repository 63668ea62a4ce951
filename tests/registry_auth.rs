use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use data_encoding::BASE64;
use serde_json::{Value, json};
use strake_testkit::command::text;
use strake_testkit::image::Image;
use strake_testkit::registry::{Auth, Blobs, Locations, Personality, Port, Registry, Tokens};
use strake_testkit::store::TestStore;

use crate::registry::User;
use crate::strake::Ran;

pub(crate) const NAME: &str = "tester";
pub(crate) const SECRET: &str = "s3cr3t:word";
const IDENTITY: &str = "an-1dentity-t0ken";

pub(crate) fn basic() -> Auth {
    Auth::Basic(NAME.to_owned(), SECRET.to_owned())
}

fn tokens() -> Tokens {
    Tokens::new(NAME, SECRET)
}

pub(crate) fn start(auth: Auth) -> Registry {
    Registry::start(Personality { auth, ..Personality::default() })
}

fn auth() -> String {
    BASE64.encode(format!("{NAME}:{SECRET}").as_bytes())
}

/// A file with credentials under this key.
pub(crate) fn auths(key: &str) -> String {
    json!({"auths": {key: {"auth": auth()}}}).to_string()
}

/// Nothing secret is in what was said.
fn keeps_secrets(ran: &Ran) {
    let said = text(&ran.stdout) + &ran.stderr;
    for secret in [SECRET, &auth(), IDENTITY, "token-1."] {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
}

/// A user who pushes an image, and looks at it there.
fn push(user: &User, registry: &Registry, options: &[&str]) -> Ran {
    user.image(&[1000, 2000]);
    let name = format!("docker://{}/team/app:1", registry.address());
    let ran = user.run(&[&["copy", "--json"], options, &["oci:image", &name]].concat());
    keeps_secrets(&ran);
    if ran.code == Some(0) {
        assert_eq!(registry.complete("team/app", "1"), Ok(()));
        keeps_secrets(&user.ok(&[&["verify"], options, &[&name]].concat()));
        keeps_secrets(&user.ok(&[&["inspect"], options, &[&name]].concat()));
        keeps_secrets(&user.ok(&[&["pin"], options, &[&name]].concat()));
    }
    ran
}

fn pushes(user: &User, registry: &Registry, options: &[&str]) {
    let ran = push(user, registry, options);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

/// Puts a program onto the user's PATH.
fn helper(user: User, name: &str, script: &str) -> User {
    let program = user.write(&format!("bin/docker-credential-{name}"), format!("#!/bin/sh\n{script}\n"));
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut path = OsString::from(user.path("bin"));
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    user.with("PATH", path)
}

#[test]
fn by_name_and_password() {
    for auth in [
        basic(),
        Auth::Token(tokens()),
        Auth::Token(Tokens { other_port: true, fields: &["access_token"], expires_in: None, ..tokens() }),
    ] {
        let registry = start(auth);
        let address = registry.address();
        let creds = format!("--creds={NAME}:{SECRET}");
        pushes(&User::new(), &registry, &[&creds]);
        // Where credentials may be, and under which names.
        for (file, variable) in [
            (".docker/config.json", None),
            (".config/containers/auth.json", None),
            ("docker/config.json", Some(("DOCKER_CONFIG", "docker"))),
            ("config/containers/auth.json", Some(("XDG_CONFIG_HOME", "config"))),
            ("run/containers/auth.json", Some(("XDG_RUNTIME_DIR", "run"))),
            ("auth.json", Some(("REGISTRY_AUTH_FILE", "auth.json"))),
        ] {
            let user = User::new();
            user.write(file, auths(&address));
            let path = variable.map(|(_, path)| user.path(path));
            let user = match variable {
                Some((name, _)) => user.with(name, path.unwrap()),
                None => user,
            };
            pushes(&user, &registry, &[]);
        }
        for key in [
            &*address,
            &format!("{address}/team"),
            &format!("{address}/team/app"),
            &format!("https://{address}/v2/"),
            &format!("http://{address}"),
        ] {
            let user = User::new();
            user.write("auths", auths(key));
            pushes(&user, &registry, &["--authfile=auths"]);
        }
        for key in ["127.0.0.1", &format!("{address}/tea"), &format!("{address}/team/app/x"), "localhost"] {
            let user = User::new();
            user.write(".docker/config.json", auths(key));
            push(&user, &registry, &[]).failed_json("unauthorized (401)", "log in");
        }
        let puts = registry.requests().into_iter().filter(|request| request.method == "PUT");
        assert!(puts.into_iter().all(|request| request.status != Some(401)));
    }
}

impl Ran {
    /// It must have failed with one event that says this.
    fn failed_json(&self, message: &str, hint: &str) {
        assert_eq!(self.code, Some(1), "{}", self.stderr);
        let errors = crate::registry::events(self, "error");
        assert_eq!(errors.len(), 1, "{}", self.stderr);
        assert!(errors[0]["message"].as_str().unwrap().contains(message), "{}", self.stderr);
        assert!(errors[0]["hint"].as_str().unwrap_or_default().contains(hint), "{}", self.stderr);
    }
}

#[test]
fn the_closest_counts() {
    let registry = start(basic());
    let address = registry.address();
    let wrong = BASE64.encode(b"tester:wrong");
    let user = User::new();
    let text = json!({"auths": {
        &address: {"auth": wrong}, format!("{address}/team"): {"auth": auth()}, format!("{address}/team/other"): {"auth": wrong}}});
    user.write(".config/containers/auth.json", text.to_string());
    user.write(".docker/config.json", auths(&address));
    pushes(&user, &registry, &[]);
    // The command line takes precedence, alone.
    push(&user, &registry, &["--creds=tester:wrong"]).failed_json("unauthorized (401)", "the account");
    user.write("wrong", json!({"auths": {&address: {"auth": wrong}}}).to_string());
    push(&user, &registry, &["--authfile=wrong"]).failed_json("unauthorized (401)", "the account");
    push(&user, &registry, &["--authfile=gone"]).failed_json("gone", "");
}

#[test]
fn a_wrong_password_is_one_clear_message() {
    for auth in [basic(), Auth::Token(tokens())] {
        let registry = start(auth);
        let user = User::new();
        user.image(&[10]);
        let name = format!("docker://{}/app", registry.address());
        for arguments in [
            &["copy", "oci:image", &*name][..],
            &["copy", &*name, "oci:new"],
            &["inspect", &*name],
            &["verify", &*name],
            &["pin", &*name],
        ] {
            let ran = user.run(&[arguments, &["--creds=tester:wr0ng"]].concat());
            ran.failed(&["unauthorized (401)", "hint: check name and password"]);
            assert!(!ran.stderr.contains("wr0ng"), "{}", ran.stderr);
            user.run(arguments)
                .failed(&["unauthorized (401)", "hint: log in with podman login or docker login"]);
        }
        user.run(&["copy", "oci:image", &name, "--creds=tester"]).refused(&["--creds is not USER:PASSWORD"]);
        // Not tried again and again: accounts get locked.
        let refused = registry
            .requests()
            .iter()
            .filter(|request| request.header("authorization").is_some_and(|value| value.starts_with("Basic")))
            .count();
        assert!(refused <= 2 * 5, "{refused}");
    }
}

#[test]
fn tokens_of_other_kinds() {
    let registry = start(Auth::Token(Tokens {
        identity_token: Some(IDENTITY.to_owned()),
        ..Tokens::new("nobody", "unknown")
    }));
    let user = User::new();
    user.write(
        ".docker/config.json",
        json!({"auths": {registry.address(): {"identitytoken": IDENTITY}}}).to_string(),
    );
    pushes(&user, &registry, &[]);
    assert!(registry.requests().iter().any(|request| request.line() == "POST /token 200"));
    assert!(registry.requests().iter().all(|request| !request.query.contains(IDENTITY)));
    let script = format!("cat > /dev/null; echo '{{\"Username\": \"<token>\", \"Secret\": \"{IDENTITY}\"}}'");
    let user = helper(User::new(), "x", &script);
    user.write(".docker/config.json", json!({"credsStore": "x"}).to_string());
    pushes(&user, &registry, &[]);
    // One that is shown as it is.
    let token = {
        let registry = &registry;
        let scope = registry.requests();
        let shown = scope
            .iter()
            .rev()
            .find_map(|request| request.header("authorization")?.strip_prefix("Bearer ").map(str::to_owned));
        shown.unwrap()
    };
    let user = User::new();
    user.write(
        ".docker/config.json",
        json!({"auths": {registry.address(): {"registrytoken": token}}}).to_string(),
    );
    registry.clear_log();
    user.ok(&["inspect", &format!("docker://{}/team/app:1", registry.address())]);
    assert_eq!(registry.count("", "/token"), 0);
}

#[test]
fn anonymous() {
    let registry = start(Auth::Token(Tokens { anonymous_pull: true, ..tokens() }));
    Image::of_sizes(&[1000]).put(&registry, "team/app", "1");
    let user = User::new();
    user.ok(&["verify", &format!("docker://{}/team/app:1", registry.address())]);
    // Files that have nothing for it.
    user.write(".docker/config.json", auths("example.org"));
    user.write(".config/containers/auth.json", "");
    user.ok(&["verify", &format!("docker://{}/team/app:1", registry.address())]);
    push(&user, &registry, &[]).failed_json("unauthorized (401)", "log in");
}

#[test]
fn scopes() {
    let registry = start(Auth::Token(tokens()));
    let user = User::new();
    user.write(".docker/config.json", auths(&registry.address()));
    let name = |rest: &str| format!("docker://{}/{rest}:1", registry.address());
    user.image(&[1000, 2000]);
    let asked = |arguments: &[&str]| {
        registry.clear_log();
        user.ok(arguments);
        let tokens = registry.requests().into_iter().filter(|request| request.path == "/token");
        let mut scopes: Vec<String> = tokens
            .map(|request| {
                request
                    .query
                    .replace("%3A", ":")
                    .replace("%2F", "/")
                    .replace("%2C", ",")
                    .replace("service=strake.test&", "")
                    .replace("scope=repository:", "")
            })
            .collect();
        scopes.sort();
        scopes
    };
    assert_eq!(asked(&["copy", "oci:image", &name("a/from")]), ["a/from:pull,push"]);
    assert_eq!(asked(&["inspect", &name("a/from")]), ["a/from:pull"]);
    assert_eq!(asked(&["copy", &name("a/from"), "oci:back"]), ["a/from:pull"]);
    // The destination's, the mount's, the source's.
    assert_eq!(
        asked(&["copy", &name("a/from"), &name("to")]),
        ["a/from:pull", "to:pull,push", "to:pull,push&a/from:pull"]
    );
    assert!(registry.requests().iter().any(|request| request.query.starts_with("mount=")));
    // A client that may not mount it sends it.
    let denied = vec![("a/from".to_owned(), "pull")];
    let other = start(Auth::Token(Tokens { denied, ..tokens() }));
    user.write(".docker/config.json", auths(&other.address()));
    Image::of_sizes(&[1000, 2000]).put(&other, "a/from", "1");
    let ran = user.run(&["copy", &format!("docker://{}/a/from:1", other.address()), "oci:new"]);
    ran.failed(&["cannot get", "hint:"]);
}

#[test]
fn credentials_stay_where_they_belong() {
    for auth in [basic(), Auth::Token(Tokens { other_port: true, ..tokens() })] {
        let registry = Registry::start(Personality {
            auth,
            locations: Locations::OtherHost,
            blobs: Blobs::Redirected,
            ..Personality::default()
        });
        let other = start(Auth::Anyone);
        let user = User::new();
        user.write(".docker/config.json", auths(&registry.address()));
        // The registry panics if any come to its other host.
        pushes(&user, &registry, &[]);
        assert!(registry.requests().iter().any(|request| request.port == Port::Storage));
        user.ok(&["copy", "oci:image", &format!("docker://{}/app", other.address())]);
        assert!(other.requests().iter().all(|request| request.header("authorization").is_none()));
    }
}

#[test]
fn credentials_on_the_command_line_are_for_one_registry() {
    let (registry, other) = (start(basic()), start(Auth::Anyone));
    let user = User::new();
    user.image(&[1000]);
    let name = |registry: &Registry| format!("docker://{}/team/app:1", registry.address());
    let creds = format!("--creds={NAME}:{SECRET}");
    user.ok(&["copy", "oci:image", &name(&other)]);
    user.run(&["copy", &creds, "oci:image", &name(&registry), &name(&other)])
        .refused(&["--creds is for one", "hint: use --src-creds and --dest-creds"]);
    user.run(&["copy", &creds, &name(&other), &name(&registry)])
        .refused(&["--creds is for one", "hint: use --src-creds and --dest-creds"]);
    // A conf may name any registry for its base image.
    let store = TestStore::empty();
    let conf = store.write_conf("base", &[], |conf| conf["from_image"] = json!(name(&other)));
    let arguments = ["copy", &creds, "--store-root", store.root().to_str().unwrap(), conf.to_str().unwrap()];
    user.ok(&[&arguments[..], &[&name(&registry)]].concat());
    assert_eq!(registry.complete("team/app", "1"), Ok(()));
    assert!(other.requests().iter().all(|request| request.header("authorization").is_none()));
}

#[test]
fn programs_that_keep_credentials() {
    let registry = start(basic());
    let address = registry.address();
    let good = format!(
        "read server; [ \"$1\" = get ] && [ \"$server\" = {address} ] || exit 1\necho '{{\"ServerURL\": \"x\", \"Username\": \"{NAME}\", \"Secret\": \"{SECRET}\"}}'"
    );
    for config in [
        json!({"credsStore": "x"}),
        json!({"credHelpers": {&address: "x"}}),
        json!({"credHelpers": {format!("{address}/team"): "x"}}),
        json!({"auths": {&address: {}}, "credsStore": "x"}),
        json!({"auths": {"example.org": {"auth": "YTpi"}}, "credHelpers": {&address: "x", "example.org": "gone"}, "credsStore": "gone"}),
    ] {
        let user = helper(User::new(), "x", &good);
        user.write(".docker/config.json", config.to_string());
        pushes(&user, &registry, &[]);
    }
    let config = json!({"credsStore": "x"}).to_string();
    // One that has none.
    let user = helper(User::new(), "x", "echo 'credentials not found in native keychain'; exit 1");
    user.write(".docker/config.json", &config);
    push(&user, &registry, &[]).failed_json("unauthorized (401)", "log in");
    // Those that are no good.
    for script in [
        "exit 3",
        "echo s3cr3t:word junk",
        "echo '{\"Username\": 1, \"Secret\": \"s3cr3t:word\"}'",
        "echo s3cr3t:word >&2; exit 1",
        "head -c 3000000 /dev/zero",
        "kill -9 $$",
    ] {
        let user = helper(User::new(), "x", script);
        user.write(".docker/config.json", &config);
        push(&user, &registry, &[]).failed_json("cannot get credentials for 127.0.0.1", "");
    }
    for name in ["gone", "../x", "", "a/b"] {
        let user = helper(User::new(), "x", &good);
        user.write(".docker/config.json", json!({"credHelpers": {&address: name}}).to_string());
        push(&user, &registry, &[]).failed_json("cannot get credentials for 127.0.0.1", "");
    }
}

#[test]
fn files_that_are_damaged() {
    let registry = start(basic());
    for wrong in [
        "{",
        "{\"auths\": 1}",
        "{\"auths\": {\"x\": 1}}",
        "\u{0}",
        "s3cr3t:word",
        "{\"credsStore\": {\"s3cr3t:word\": 1}}",
    ] {
        let user = User::new();
        user.write("auth.json", wrong);
        push(&user, &registry, &["--authfile=auth.json"]).failed_json("auth.json", "");
    }
    for entry in [
        json!({"auth": "s3cr3t:word"}),
        json!({"auth": BASE64.encode(b"s3cr3t")}),
        json!({"auth": BASE64.encode(&[0xff, 0x3a, 0xff])}),
    ] {
        let user = User::new();
        let entry: Value = entry;
        user.write(".docker/config.json", json!({"auths": {registry.address(): entry}}).to_string());
        push(&user, &registry, &[]).failed_json(".docker/config.json", "");
    }
    // A directory in its place, and one without read permission.
    let user = User::new();
    fs::create_dir_all(user.path(".docker/config.json")).unwrap();
    push(&user, &registry, &[]).failed_json(".docker/config.json", "");
    assert!(Path::new(&user.path("image")).exists());
}
