use std::fs;

use strake_testkit::command::{output_of, stdout_of, text};
use strake_testkit::machine::Machine;
use strake_testkit::peer::with_stdin;
use strake_testkit::registries::{Access, PASSWORD, Program, RealRegistry, Setup, USER};

use crate::nix_library::Library;

fn start() -> (Library, RealRegistry) {
    let setup = Setup { access: Access::Password, ..Setup::default() };
    (Library::new(), RealRegistry::start(Program::Distribution2, setup))
}

/// A program of an image, with its arguments; what it says.
fn run(machine: &Machine, program: &str, arguments: &[&str]) -> String {
    let output = output_of(&mut machine.command(program, arguments));
    let said = text(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    said
}

#[test]
#[ignore = "needs root, nix-build, docker-registry"]
fn images_are_pushed_by_whoever_has_them_or_their_description() {
    let (library, registry) = start();
    let creds = format!("{USER}:{PASSWORD}");
    let place = |tag: &str| format!("docker://{}/team/image:{tag}", registry.address());
    let options = ["--tls-verify=false", "--creds", &creds];
    for image in
        ["examples.declared", "examples.fakeRoot", "(layers \"1\").image", "examples.childLayered.stream"]
    {
        let push = format!("{}/bin/push", library.build(&format!("({image}).push")));
        run(&library.machine, &push, &[&[place("one").as_str()], &options[..]].concat());

        // Another machine, with nothing but the description and this strake.
        let description = library.build(&format!("({image}).description"));
        let other = Machine::new();
        let file = other.home().join("export");
        fs::write(&file, stdout_of(library.machine.command("nix-store", ["--export", &description])))
            .unwrap();
        with_stdin(other.command("nix-store", ["--import"]), &file);
        let strake = env!("CARGO_BIN_EXE_strake");
        let two = place("two");
        let arguments = ["copy", &description, &two];
        run(&other, strake, &[&arguments[..], &options[..]].concat());
        let inspect = |tag: &str| {
            let place = place(tag);
            let arguments = [&["inspect", "--manifest", &place][..], &options[..]].concat();
            stdout_of(other.command(strake, arguments))
        };
        assert!(inspect("one") == inspect("two"), "{image}");

        // A repository that has nothing gets nothing.
        let empty = format!("docker://{}/team/empty:1", registry.address());
        let arguments = [&["copy", &description, &empty][..], &options[..]].concat();
        let output = output_of(&mut other.command(strake, arguments));
        assert_eq!(output.status.code(), Some(1));
        let said = text(&output.stderr);
        assert!(said.contains("is not there, and the image's layer"), "{said}");
    }
}

#[test]
#[ignore = "needs root, nix-build, docker-registry"]
fn images_are_pulled_by_digest() {
    let (library, registry) = start();
    let creds = format!("{USER}:{PASSWORD}");
    let name = format!("{}/team/hello", registry.address());
    let push = format!("{}/bin/push", library.build("examples.helloOnRoot.push"));
    let digest = library.machine.home().join("digest");
    let pushed = format!("docker://{name}:1");
    let file = digest.to_str().unwrap();
    run(&library.machine, &push, &[&pushed, "--tls-verify=false", "--creds", &creds, "--digest-file", file]);
    let digest = fs::read_to_string(&digest).unwrap().trim().to_owned();

    let auth = library.machine.home().join("auth.json");
    let encoded = "dGVzdGVyOnBhc3M6d29yZA==";
    fs::write(&auth, format!("{{\"auths\": {{\"{}\": {{\"auth\": \"{encoded}\"}}}}}}", registry.address()))
        .unwrap();
    let pull = |hash: &str, name: &str| {
        format!(
            "library.pullImage {{ imageName = \"{name}\"; imageDigest = \"{digest}\"; hash = \"{hash}\"; \
             finalImageName = \"hello\"; finalImageTag = \"pulled\"; tlsVerify = false; authFile = {}; }}",
            auth.display()
        )
    };
    // Nix says what the hash is.
    let said = library.fails(&pull("sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", &name));
    let hash =
        said.split("got:").nth(1).unwrap_or_else(|| panic!("{said}")).split_whitespace().next().unwrap();
    let expression = pull(hash, &name);
    let pulled = library.build(&expression);
    let inspected =
        library.machine.run(env!("CARGO_BIN_EXE_strake"), ["inspect", &format!("docker-archive:{pulled}")]);
    assert!(inspected.contains("hello:pulled"), "{inspected}");
    // It is a base image like any other.
    let on_top = library.build(&format!(
        "library.streamLayeredImage {{ name = \"on-top\"; fromImage = {expression}; contents = [ examples.busybox ]; }}"
    ));
    assert!(!library.stream(&on_top).is_empty());
}
