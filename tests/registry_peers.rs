use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use strake_testkit::certificates::Certificates;
use strake_testkit::command::{command, stdout_of, text};
use strake_testkit::peer::{Dockerd, require};
use strake_testkit::registries::{Access, PASSWORD, Program, RealRegistry, Setup, USER};
use strake_testkit::workspace;

use crate::registry::{User, copy, events, store};

const SIZES: [usize; 3] = [3000, 700_000, 1_500_000];

fn skopeo(place: &Path, arguments: &[&str]) -> Vec<u8> {
    let mut skopeo = command(require("skopeo"), ["--insecure-policy"]);
    skopeo.args(arguments).current_dir(place);
    stdout_of(skopeo)
}

fn crane(place: &Path, arguments: &[&str]) -> String {
    let mut crane = command(require("crane"), arguments);
    text(&stdout_of({
        crane.current_dir(place).env("DOCKER_CONFIG", place);
        crane
    }))
}

/// The store's image goes to a registry and comes back in all ways of compressing it; its tags move; it is copied there.
fn there_and_back(user: &User, address: &str, options: &[&str]) {
    let store = store(&SIZES);
    let with = |arguments: &[&str]| {
        [&[arguments[0]], options, &arguments[1..]]
            .concat()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let run = |arguments: &[&str]| {
        let arguments = with(arguments);
        user.ok(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let name = |rest: &str| format!("docker://{address}/{rest}");
    let mut identities = Vec::new();
    for compress in ["none", "gzip", "zstd"] {
        let (first, second) =
            (name(&format!("some/app:{compress}")), name(&format!("some/app:{compress}-2")));
        let compress = format!("--compress={compress}");
        run(&copy(&store, &["--digest-file=digest", &compress, &first, &second]));
        let digest = fs::read_to_string(user.path("digest")).unwrap();
        // Once more, without a cache: nothing is sent.
        let ran = run(&copy(&store, &["--no-cache", "--json", &compress, &first, &second]));
        assert!(events(&ran, "blob").iter().all(|event| event["outcome"] == "had"), "{}", ran.stderr);
        for source in [&first, &second, &name(&format!("some/app@{}", digest.trim_end()))] {
            run(&["copy", source, "oci:back"]);
            assert_eq!(user.manifest_digest("oci:back"), digest.trim_end());
            identities.push(user.identity("oci:back"));
            fs::remove_dir_all(user.path("back")).unwrap();
        }
        // Chunks, and from repository to repository.
        run(&["copy", "--chunk-size=1", &first, &name("chunks:1")]);
        let ran = run(&["copy", "--json", &first, &name(&format!("other/app:{}", &compress[11..]))]);
        let mounted = events(&ran, "blob").iter().filter(|event| event["outcome"] == "mounted").count();
        // crane's registry has all blobs in one place.
        let had = events(&ran, "blob").iter().filter(|event| event["outcome"] == "had").count();
        assert!(mounted >= SIZES.len() || had >= SIZES.len(), "{}", ran.stderr);
        run(&["verify", &name("chunks:1")]);
    }
    assert!(identities.iter().all(|identity| *identity == identities[0]));
}

#[test]
#[ignore = "needs docker-registry, registry, crane"]
fn real_registries() {
    let certificates = Certificates::new();
    for program in Program::ALL {
        there_and_back(&User::new(), &RealRegistry::start(program, Setup::default()).address(), &[]);
    }
    let creds = format!("--creds={USER}:{PASSWORD}");
    for program in [Program::Distribution2, Program::Distribution3] {
        for (access, of_clients, tls) in
            [(Access::Password, false, false), (Access::Token, false, true), (Access::Password, true, true)]
        {
            let certificates = tls.then_some(&certificates);
            let registry = RealRegistry::start(program, Setup { access, certificates, of_clients });
            let address = registry.address();
            let directory = certificates.map(|certificates| certificates.certs_d(&address).join(&address));
            let directory = directory.map(|directory| format!("--cert-dir={}", directory.display()));
            let options: Vec<&str> = [&*creds].into_iter().chain(directory.as_deref()).collect();
            there_and_back(&User::new(), &address, &options);
            let wrong = format!("{creds}!");
            let options = [&[&*wrong], &options[1..]].concat();
            let image = format!("docker://{address}/some/app:gzip");
            User::new()
                .run(&[&["inspect"], &options[..], &[&image]].concat())
                .failed(&["unauthorized (401)", "hint:"]);
        }
    }
}

#[test]
#[ignore = "needs skopeo, crane, docker-registry"]
fn skopeo_and_crane_read_what_strake_pushed() {
    let (user, store) = (User::new(), store(&SIZES));
    let registry = RealRegistry::start(Program::Distribution2, Setup::default());
    let address = registry.address();
    user.ok(&copy(&store, &["oci:layout"]));
    let expected = user.identity("oci:layout");
    for (compress, format) in [("none", "oci"), ("gzip", "oci"), ("gzip", "docker"), ("zstd", "oci")] {
        let name = format!("{address}/app:{compress}-{format}");
        let remote = format!("docker://{name}");
        user.ok(&copy(
            &store,
            &["--compress", compress, "--format", format, "--digest-file=digest", &remote],
        ));
        let digest = fs::read_to_string(user.path("digest")).unwrap();
        assert_eq!(crane(user.home(), &["digest", &name]), digest);
        let shown: Value =
            serde_json::from_slice(&skopeo(user.home(), &["inspect", "--tls-verify=false", &remote]))
                .unwrap();
        assert_eq!(shown["Digest"], digest.trim_end());
        // crane supports no other layers.
        if compress == "gzip" {
            let said = crane(user.home(), &["validate", "--remote", &name]);
            assert!(said.starts_with("PASS"), "{said}");
        }
        skopeo(user.home(), &["copy", "-q", "--src-tls-verify=false", &remote, "oci:skopeo:a"]);
        // It writes the config anew where the manifest is made anew.
        assert_eq!(user.identity("oci:skopeo:a").1, expected.1, "{name}");
        crane(user.home(), &["pull", "--format=oci", &name, "crane"]);
        assert_eq!(user.manifest_digest("oci:crane"), digest.trim_end());
        assert_eq!(user.identity("oci:crane"), expected, "{name}");
        for gone in ["skopeo", "crane"] {
            fs::remove_dir_all(user.path(gone)).unwrap();
        }
    }
}

#[test]
#[ignore = "needs skopeo, crane, docker-registry"]
fn strake_reads_what_skopeo_and_crane_pushed() {
    let (user, store) = (User::new(), store(&SIZES));
    let registry = RealRegistry::start(Program::Distribution2, Setup::default());
    let address = registry.address();
    user.ok(&copy(&store, &["oci:layout", "docker-archive:image.tar"]));
    let (_, diff_ids) = user.identity("oci:layout");
    for (name, options) in [
        ("gzip", &["docker-archive:image.tar"][..]),
        ("zstd", &["--dest-compress-format=zstd", "docker-archive:image.tar"]),
        ("docker", &["--format=v2s2", "docker-archive:image.tar"]),
        // The last one: skopeo lists whatever it finds as if it were compressed.
        ("plain", &["--preserve-digests", "oci:layout"]),
    ] {
        let name = format!("docker://{address}/skopeo:{name}");
        let options = [&["copy", "-q", "--dest-tls-verify=false"], options, &[&name]].concat();
        skopeo(user.home(), &options);
        assert_eq!(user.identity(&name).1, diff_ids, "{name}");
        user.ok(&[
            "copy",
            &name,
            "oci:copied",
            "docker-archive:copied.tar",
            &format!("docker://{address}/copied"),
        ]);
        assert_eq!(user.manifest_digest("oci:copied"), user.manifest_digest(&name));
        assert_eq!(user.identity("docker-archive:copied.tar").1, diff_ids, "{name}");
        fs::remove_dir_all(user.path("copied")).unwrap();
    }
    for source in ["image.tar", "layout"] {
        let name = format!("{address}/crane:{source}");
        crane(user.home(), &["push", source, &name]);
        assert_eq!(user.identity(&format!("docker://{name}")).1, diff_ids, "{name}");
        let said = text(&user.ok(&["pin", &name]).stdout);
        assert_eq!(
            said.trim_end(),
            format!("linux/amd64      {address}/crane@{}", crane(user.home(), &["digest", &name]).trim_end())
        );
    }
}

/// The example, pushed in several forms.
fn hello(user: &User, address: &str) -> Vec<String> {
    let example = workspace().join("examples/hello");
    // Docker and podman list all layers as if they were compressed, also those that they know in another form: so the one
    // that is not comes last.
    let forms = [
        ("gzip", &["--compress=gzip"][..]),
        ("docker", &["--format=docker", "--compress=gzip"]),
        ("plain", &[]),
    ];
    let push = |(name, options): (&str, &[&str])| {
        let name = format!("{address}/team/hello:{name}");
        let conf = example.join("conf.json");
        let source = ["copy", "--store-root", example.to_str().unwrap(), conf.to_str().unwrap()];
        user.ok(&[&source, options, &[&format!("docker://{name}")]].concat());
        name
    };
    forms.into_iter().map(push).collect()
}

#[test]
#[ignore = "needs root, dockerd, docker-registry"]
fn docker_runs_what_strake_pushed() {
    let user = User::new();
    let registry = RealRegistry::start(Program::Distribution2, Setup::default());
    let docker = Dockerd::start();
    for name in &hello(&user, &registry.address()) {
        stdout_of(docker.docker(["pull", "-q", name]));
        let said = text(&stdout_of(docker.docker(["run", "--rm", "--network=none", name])));
        assert_eq!(said, "Hello from an image that strake made.\n");
        let id = text(&stdout_of(docker.docker(["image", "inspect", "--format", "{{.Id}}", name])));
        assert_eq!(id.trim(), user.identity(&format!("docker://{name}")).0);
        // And back.
        if !name.ends_with("plain") {
            let pushed = format!("{}/pushed:1", registry.address());
            stdout_of(docker.docker(["tag", name, &pushed]));
            stdout_of(docker.docker(["push", "-q", &pushed]));
            let identity = |name: &str| user.identity(&format!("docker://{name}"));
            assert_eq!(identity(&pushed), identity(name));
        }
    }
}

#[test]
#[ignore = "needs root, podman, docker-registry"]
fn podman_pulls_what_strake_pushed() {
    let user = User::new();
    let registry = RealRegistry::start(Program::Distribution2, Setup::default());
    let podman = |arguments: &[&str]| -> Command {
        let mut podman = command(require("podman"), ["--storage-driver=vfs", "--root"]);
        podman.arg(user.path("root")).arg("--runroot").arg(user.path("run")).args(arguments);
        podman
    };
    for name in hello(&user, &registry.address()) {
        stdout_of(podman(&["pull", "-q", "--tls-verify=false", &name]));
        let id = text(&stdout_of(podman(&["image", "inspect", "--format", "{{.Id}}", &name])));
        assert_eq!(format!("sha256:{}", id.trim()), user.identity(&format!("docker://{name}")).0);
        if name.ends_with("plain") {
            continue;
        }
        let other = format!("{}/podman:1", registry.address());
        stdout_of(podman(&["push", "-q", "--tls-verify=false", &name, &other]));
        let (pushed, expected) =
            (user.identity(&format!("docker://{other}")), user.identity(&format!("docker://{name}")));
        assert_eq!(pushed.1, expected.1);
    }
}

/// Credentials where podman and docker have put them.
#[test]
#[ignore = "needs root, podman, crane, docker-registry"]
fn logged_in_by_others() {
    let registry =
        RealRegistry::start(Program::Distribution2, Setup { access: Access::Password, ..Setup::default() });
    let address = registry.address();
    for program in ["podman", "crane"] {
        let user = User::new();
        user.image(&[1000]);
        let mut login = match program {
            "podman" => command(require("podman"), ["login", "--tls-verify=false", "--authfile=auth.json"]),
            _ => command(require("crane"), ["auth", "login"]),
        };
        login
            .args(["-u", USER, "-p", PASSWORD, &address])
            .current_dir(user.home())
            .env("DOCKER_CONFIG", user.home());
        stdout_of(login);
        let user = if program == "podman" {
            let file = user.path("auth.json");
            user.with("REGISTRY_AUTH_FILE", file)
        } else {
            let home = user.home().to_owned();
            user.with("DOCKER_CONFIG", home)
        };
        user.ok(&["copy", "oci:image", &format!("docker://{address}/app")]);
        user.ok(&["verify", &format!("docker://{address}/app")]);
    }
}
