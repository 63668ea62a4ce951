use std::io::Write;
use std::process::Stdio;

use strake_testkit::certificates::Certificates;
use strake_testkit::registry::{Personality, Registry};

use crate::registry::User;
use crate::registry_auth::{NAME, SECRET, auths, basic, start};
use crate::strake::ran;

/// Each side of a copy has credentials, files and TLS of its own.
#[test]
fn two_sides_of_a_copy() {
    let (registry, other) = (start(basic()), start(basic()));
    let user = User::new();
    user.image(&[1000]);
    let name = |registry: &Registry| format!("docker://{}/team/app:1", registry.address());
    let (source, target) = (name(&registry), name(&other));
    let creds = format!("{NAME}:{SECRET}");
    user.ok(&["copy", "--dest-creds", &creds, "oci:image", &source]);
    // Neither knows the other's.
    user.write("source.json", auths(&registry.address()));
    user.write("target.json", auths(&other.address()));
    for options in [
        &["--src-creds", &creds, "--dest-creds", &creds][..],
        &["--src-authfile=source.json", "--dest-authfile=target.json"],
        &["--src-authfile=source.json", "--dest-creds", &creds],
        &["--authfile=source.json", "--dest-authfile=target.json"],
        &["--authfile=source.json", "--dest-creds", &creds],
        &["--creds", &creds, "--dest-authfile=target.json"],
        &["--creds", &creds, "--dest-creds", &creds],
    ] {
        user.ok(&[&["copy", &source, &target], options].concat());
    }
    for options in [
        &["--src-creds", &creds][..],
        &["--dest-creds", &creds],
        &["--src-authfile=target.json", "--dest-authfile=source.json"],
        &["--src-creds", "tester:wrong", "--dest-creds", &creds],
    ] {
        user.run(&[&["copy", &source, &target], options].concat()).failed(&["unauthorized (401)", "hint: "]);
    }
    // The environment, where no option says otherwise.
    let user = user.with("STRAKE_SRC_CREDS", &creds).with("STRAKE_DEST_CREDS", &creds);
    user.ok(&["copy", &source, &target]);
    user.run(&["copy", &source, &target, "--src-creds", "tester:wrong"]).failed(&["unauthorized (401)"]);
    user.run(&["copy", &source, &target, "--src-authfile=target.json"]).failed(&["unauthorized (401)"]);
    user.run(&["copy", &source, &target, "--dest-creds", ""]).refused(&["--dest-creds is not USER:PASSWORD"]);
    // For all registries there is one variable; it is for one registry, as --creds is.
    let user = User::new().with("STRAKE_CREDS", &creds);
    user.ok(&["inspect", &source]);
    user.run(&["copy", &source, &target])
        .refused(&["STRAKE_CREDS is for one registry", "hint: use --src-creds"]);
    user.run(&["inspect", &source, "--creds=tester:wrong"]).failed(&["unauthorized (401)"]);
    let user = User::new().with("STRAKE_CREDS", "s3cr3t");
    let ran = user.run(&["inspect", &source]);
    ran.refused(&["STRAKE_CREDS is not USER:PASSWORD"]);
    assert!(!ran.stderr.contains("s3cr3t"));
}

#[test]
fn a_password_on_stdin() {
    let registry = start(basic());
    let user = User::new();
    user.image(&[1000]);
    let name = format!("docker://{}/team/app:1", registry.address());
    let run = |arguments: &[&str], stdin: &str| {
        let mut strake = user.command(arguments);
        let mut child =
            strake.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A command that refuses its arguments may not read it.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        ran(child.wait_with_output().unwrap())
    };
    for end in ["", "\n", "\r\n"] {
        let stdin = format!("{SECRET}{end}");
        let ran = run(&["copy", "--creds", NAME, "--password-stdin", "oci:image", &name], &stdin);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let ran = run(&["inspect", "--creds", NAME, "--password-stdin", &name], &stdin);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let ran = run(&["copy", "--src-creds", NAME, "--password-stdin", &name, "oci:new"], &stdin);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
    let ran = run(&["inspect", "--creds", NAME, "--password-stdin", &name], "wr0ng");
    ran.failed(&["unauthorized (401)"]);
    assert!(!ran.stderr.contains("wr0ng"));
    run(&["inspect", "--creds", NAME, "--password-stdin", &name], "\n").failed(&["stdin is empty"]);
    for (options, words) in [
        (&["--password-stdin"][..], "no option names a user without a password"),
        (&["--password-stdin", "--creds", "a:b"], "no option names a user without a password"),
        (&["--password-stdin", "--src-creds", "a", "--dest-creds", "b"], "several options lack a password"),
        (&["--creds", NAME], "--creds is not USER:PASSWORD"),
    ] {
        run(&[&["copy", "oci:image", &name], options].concat(), SECRET).refused(&[words, "hint: "]);
    }
    // Stdin has one content.
    run(&["copy", "--creds", NAME, "--password-stdin", "-", &name], SECRET)
        .refused(&["stdin cannot be read twice"]);
}

/// Whose certificates are trusted is said for each side.
#[test]
fn certificates_of_two_sides() {
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let [registry, other] =
        [&certificates, &others].map(|these| Registry::start_tls(Personality::default(), these, false));
    let directory = |of: &Certificates, registry: &Registry| {
        let host = registry.address();
        of.certs_d(&host).join(host).to_str().unwrap().to_owned()
    };
    let (of_source, of_target) = (directory(&certificates, &registry), directory(&others, &other));
    let user = User::new();
    user.image(&[1000]);
    let name = |registry: &Registry| format!("docker://{}/app:1", registry.address());
    let (source, target) = (name(&registry), name(&other));
    user.ok(&["copy", "--dest-tls-verify=false", "oci:image", &source]);
    for options in [
        &["--src-cert-dir", &*of_source, "--dest-cert-dir", &of_target][..],
        &["--cert-dir", &of_source, "--dest-cert-dir", &of_target],
        &["--cert-dir", &of_source, "--dest-tls-verify=false"],
        &["--src-tls-verify=false", "--dest-cert-dir", &of_target],
        &["--tls-verify=false", "--src-tls-verify", "--src-cert-dir", &of_source],
    ] {
        user.ok(&[&["copy", &source, &target], options].concat());
    }
    for options in [
        &["--src-cert-dir", &*of_target, "--dest-cert-dir", &of_source][..],
        &["--src-tls-verify=false"],
        &["--dest-tls-verify=false"],
        &["--tls-verify=false", "--dest-tls-verify=true"],
    ] {
        user.run(&[&["copy", &source, &target], options].concat())
            .failed(&["no safe connection to 127.0.0.1"]);
    }
}
