use strake_testkit::command::text;
use strake_testkit::image::Image;
use strake_testkit::registry::{Auth, Effect, Fault, Personality, Registry, Tokens};

use crate::registry::User;

/// Runs strake, and compares its output with `expected`, to the letter. clap's line about help is left out.
fn check(user: &User, arguments: &[&str], code: i32, expected: &str) {
    let ran = user.run(arguments);
    let said = ran.stderr.split("\n\nFor more information").next().unwrap().trim_end();
    assert_eq!((said, ran.code), (expected, Some(code)), "{arguments:?}");
    assert!(ran.stdout.is_empty(), "{arguments:?} wrote {}", text(&ran.stdout));
}

/// Nothing is read before: what is named is not there.
#[test]
fn of_options() {
    let user = User::new();
    let pair = "it must be NAME=VALUE";
    let time = "a time is now, or in ISO 8601 like 2024-12-31T23:59:59Z";
    let port = "a port is like 8080 or 53/udp";
    let owner = "an owner is UID or UID:GID, in numbers";
    let arch = "an architecture is like amd64 or arm64, as Go calls it";
    let layers = |value: &str| format!("{value} is not in 1..=125");
    for (option, value, why) in [
        ("--env <NAME=VALUE>", "x", pair),
        ("--env <NAME=VALUE>", "=x", pair),
        ("--label <NAME=VALUE>", "x", pair),
        ("--expose <PORT[/PROTOCOL]>", "70000", port),
        ("--expose <PORT[/PROTOCOL]>", "80/x", port),
        ("--owner <UID[:GID]>", "root", owner),
        ("--owner <UID[:GID]>", "0:0:0", owner),
        ("--created <TIME>", "yesterday", time),
        ("--mtime <TIME>", "2024-13-01", time),
        ("--arch <ARCH>", "linux/amd64", arch),
        ("--arch <ARCH>", "amd 64", arch),
        ("--max-layers <N>", "126", &layers("126")),
        ("--max-layers <N>", "0", &layers("0")),
    ] {
        let name = option.split(' ').next().unwrap();
        let expected = format!("error: invalid value '{value}' for '{option}': {why}");
        for verb in [&["plan", "gone"][..], &["stream", "gone"], &["copy", "gone", "oci:new"]] {
            check(&user, &[verb, &[name, value]].concat(), 2, &expected);
        }
    }
    let copy = |more: &[&str], expected: &str| {
        check(&user, &[&["copy", "gone", "oci:new"], more].concat(), 2, expected);
    };
    copy(&["--annotation", "x"], &format!("error: invalid value 'x' for '--annotation <KEY=VALUE>': {pair}"));
    copy(
        &["--platform", "linux"],
        "error: invalid value 'linux' for '--platform <OS/ARCH>': a platform is like linux/amd64 or linux/arm/v7",
    );
    // A password is not repeated.
    copy(
        &["--creds", "secret"],
        "strake: error: --creds is not USER:PASSWORD\nhint: --creds USER with --password-stdin reads the password from stdin, STRAKE_CREDS=USER:PASSWORD from the environment",
    );
    copy(&["--dry-run"], "strake: error: --dry-run is for images that only go to registries");
    assert!(!user.path("new").exists());
}

#[test]
fn of_arguments() {
    let user = User::new();
    let form = "hint: a destination is docker://NAME, docker-daemon:NAME, docker-archive:FILE, oci:DIR, oci-archive:FILE, or - for stdout; strake copy --help has them all";
    for (arguments, expected) in [
        (&["copy", "gone", "new"][..], format!("strake: error: new is not a destination\n{form}")),
        (
            &["copy", "oci:", "oci:new"],
            "strake: error: \"oci:\" is not complete\nhint: an image is docker-archive:FILE[:NAME], oci:DIR[:NAME] or oci-archive:FILE[:NAME]".to_owned(),
        ),
        (
            &["copy", "docker://A", "oci:new"],
            "strake: error: \"A\" is not the name of an image in a registry\nhint: a name is like docker://registry.example.org/team/hello:1.0, in lowercase".to_owned(),
        ),
        (
            &["pin", "A"],
            "strake: error: \"A\" is not the name of an image in a registry\nhint: a name is like docker://registry.example.org/team/hello:1.0, in lowercase".to_owned(),
        ),
        (&["copy", "gone", "--", "-", "-"], "strake: error: stdout can only be one of the destinations".to_owned()),
    ] {
        check(&user, arguments, 2, &expected);
    }
}

/// Names without `docker://`, flakes, and places as skopeo has them.
#[test]
fn of_what_is_no_image() {
    let user = User::new();
    let docker = "for an image in a registry use docker://myapp:1.0";
    let gone = "No such file or directory (os error 2)";
    for (arguments, code, expected) in [
        (&["copy", "gone", "myapp:1.0"][..], 2, format!("myapp:1.0 is not a destination\nhint: {docker}")),
        (&["copy", "oci:image", "--", "myapp:1.0"], 2, format!("myapp:1.0 is not a destination\nhint: {docker}")),
        (&["copy", "myapp:1.0", "oci:new"], 1, format!("cannot read myapp:1.0: {gone}\nhint: {docker}")),
        (&["inspect", "myapp:1.0"], 1, format!("cannot read myapp:1.0: {gone}\nhint: {docker}")),
        (
            &["stream", "nixpkgs#hello", "-o", "new"],
            1,
            format!("cannot read nixpkgs#hello: {gone}\nhint: build it first: \"$(nix build --no-link --print-out-paths nixpkgs#hello)\""),
        ),
        (
            &["plan", ".#app", "--name", "app"],
            1,
            ".#app is not a store path\nhint: build it first: \"$(nix build --no-link --print-out-paths .#app)\"".to_owned(),
        ),
        (
            &["copy", "dir:app", "oci:new"],
            1,
            format!("cannot read dir:app: {gone}\nhint: skopeo copy dir:app oci:DIR makes a layout of it: use oci:DIR"),
        ),
        (
            &["copy", "gone", "dir:app"],
            2,
            "dir:app is not a destination\nhint: for a directory use oci:DIR".to_owned(),
        ),
    ] {
        check(&user, arguments, code, &format!("strake: error: {expected}"));
    }
    assert!(!user.path("new").exists());
}

/// Options and commands of skopeo, crane and docker.
#[test]
fn of_other_programs() {
    let user = User::new();
    let option = |option: &str, verb: &str| {
        let usage = match verb {
            "copy" => "strake copy [OPTIONS] <SOURCE> <DEST>...",
            _ => "strake inspect [OPTIONS] <SOURCE>...",
        };
        format!("error: unexpected argument '{option}' found\n\nUsage: {usage}")
    };
    for (arguments, expected, hint) in [
        (
            &["copy", "--all", "oci:a", "oci:b"][..],
            option("--all", "copy"),
            "strake copy copies the images for all platforms; --platform OS/ARCH selects one",
        ),
        (&["copy", "--insecure", "oci:a", "oci:b"], option("--insecure", "copy"), "use --tls-verify=false"),
        (
            &["copy", "--dest-compress-format=zstd", "oci:a", "oci:b"],
            option("--dest-compress-format", "copy"),
            "use --compress gzip or --compress zstd, with a level as in --compress gzip:9",
        ),
        (
            &["copy", "--override-os", "linux", "oci:a", "oci:b"],
            option("--override-os", "copy"),
            "use --platform OS/ARCH[/VARIANT]",
        ),
        (
            &["inspect", "--format", "{{.Digest}}", "oci:a"],
            option("--format", "inspect"),
            "use --json, and jq to select from it",
        ),
        (
            &["inspect", "--uploads", "3", "oci:a"],
            option("--uploads", "inspect"),
            "only strake copy uploads blobs",
        ),
        (
            &["copy", "oci:a", "oci:b", "--format", "v2s2"],
            "error: invalid value 'v2s2' for '--format <FORMAT>'\n  [possible values: oci, docker]"
                .to_owned(),
            "docker is Docker's schema 2, oci the OCI image specification's format",
        ),
        (
            &["push", "app:1"],
            "error: unrecognized subcommand 'push'\n\nUsage: strake <COMMAND>".to_owned(),
            "strake copy IMAGE docker://NAME:TAG pushes an image",
        ),
    ] {
        let ran = user.run(arguments);
        let (said, end) = ran.stderr.split_once("\n\nFor more information, try '--help'.\n").unwrap();
        assert_eq!((said.trim_end(), ran.code), (&*expected, Some(2)), "{arguments:?}");
        assert_eq!(end, format!("hint: {hint}\n"), "{arguments:?}");
    }
}

/// Absent or forbidden resources: the HTTP status and its message.
#[test]
fn of_registries() {
    let user = User::new();
    let refusing = |status: u16, reason: &str, body: &str| {
        let length = body.len();
        let answer = format!("HTTP/1.1 {status} {reason}\r\nContent-Length: {length}\r\n\r\n{body}");
        let faults = vec![Fault::burst("GET", "/manifests/", 1, u32::MAX, Effect::Raw(answer.into_bytes()))];
        Registry::start(Personality { faults, ..Personality::default() })
    };
    let denied = r#"{"errors":[{"code":"DENIED","message":"no"}]}"#;
    let log_in = "log in with podman login or docker login, or use --creds or --authfile";
    let later = "run the command again later: blobs that were sent are not sent again";
    for (status, body, meaning, hint) in [
        (401, denied, "unauthorized (401): DENIED no", log_in),
        (403, denied, "forbidden (403): DENIED no", log_in),
        (404, "", "not found (404)", "check the name and the tag"),
        (400, "", "bad request (400)", later),
        (418, "", "i'm a teapot (418)", later),
        (451, "", "unavailable for legal reasons (451)", later),
        (499, "", "HTTP status 499", later),
        (429, denied, "rate limited (429): DENIED no", later),
    ] {
        let registry = refusing(status, "Whatever", body);
        let image = format!("{}/app:1", registry.address());
        let message = format!("cannot get {image}: {meaning}");
        let arguments = ["inspect", &*format!("docker://{image}")];
        check(&user, &arguments, 1, &format!("strake: error: {message}\nhint: {hint}"));
        if status == 404 {
            let ran = user.run(&["copy", "--json", arguments[1], "oci:new"]);
            let event: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
            let expected =
                serde_json::json!({ "event": "error", "message": message, "hint": hint, "status": 404 });
            assert_eq!(event, expected);
        }
    }
    let wait = Fault::burst("GET", "/manifests/", 1, u32::MAX, Effect::RetryAfter(429, 86400));
    let registry = Registry::start(Personality { faults: vec![wait], ..Personality::default() });
    let host = registry.address();
    check(
        &user,
        &["pin", &format!("{host}/app:1")],
        1,
        &format!("strake: error: {host}: rate limited (429); it asks to wait for 86400 s\nhint: {later}"),
    );
}

/// The same of pushes, and of layers on their way.
#[test]
fn of_pushes_and_layers() {
    let user = User::new();
    user.image(&[100]);
    let tokens = Tokens { anonymous_pull: true, ..Tokens::new("tester", "secret") };
    let registry = Registry::start(Personality { auth: Auth::Token(tokens), ..Personality::default() });
    let name = format!("docker://{}/app:1", registry.address());
    let ran = user.run(&["copy", "-q", "oci:image", &name]);
    ran.failed(&["unauthorized (401)", "hint: log in with"]);
    let ran = user.run(&["copy", "-q", "--creds=tester:wrong", "oci:image", &name]);
    ran.failed(&["unauthorized (401)", "hint: check name and password"]);
    assert!(!ran.stderr.contains("wrong"));

    let registry = Registry::start(Personality::default());
    let image = Image::of_sizes(&[1000]);
    image.put(&registry, "app", "1");
    registry.remove_blob("app", &strake_testkit::registry::digest(&image.blobs[1]));
    let ran = user.run(&["copy", "-q", &format!("docker://{}/app:1", registry.address()), "oci:new"]);
    ran.failed(&["get a layer: not found (404)", "hint: check the name"]);
}
