use std::fs;
use std::io::Write;

use serde_json::{Value, json};
use strake_testkit::command::{command, output_of, text};
use strake_testkit::image::{INDEX, Image, MANIFEST, descriptor};
use strake_testkit::registry::{
    Auth, Blobs, CutUploads, Effect, Fault, Personality, Port, Registry, Request, Tokens, digest,
};

use crate::registry::User;
use crate::strake::Ran;

const SIZES: [usize; 2] = [3000, 400_000];

/// An image in a registry.
struct Case {
    user: User,
    image: Image,
    registry: Registry,
    name: String,
}

impl Case {
    fn new(personality: Personality) -> Self {
        Self::of(Image::of_sizes(&SIZES), personality)
    }

    fn of(image: Image, personality: Personality) -> Self {
        let registry = Registry::start(personality);
        image.put(&registry, "app", "1");
        let name = format!("docker://{}/app:1", registry.address());
        Self { user: User::new(), image, registry, name }
    }

    fn with(faults: Vec<Fault>) -> Self {
        Self::new(Personality { faults, ..Personality::default() })
    }

    /// It comes as it is.
    fn comes(&self) -> Vec<String> {
        self.user.ok(&["copy", "-q", &self.name, "oci:back"]);
        for blob in self.image.blobs.iter().chain([&self.image.manifest]) {
            let file = self.user.path("back/blobs/sha256").join(&digest(blob)[7..]);
            assert!(fs::read(file).unwrap() == *blob);
        }
        fs::remove_dir_all(self.user.path("back")).unwrap();
        self.registry.requests().iter().map(Request::line).collect()
    }

    /// It does not, and this is said; neither is anything left that looks as if it did.
    fn fails(&self, words: &[&str]) -> Ran {
        let ran = self.user.run(&[
            "copy",
            &self.name,
            "oci:back",
            "docker-archive:back.tar",
            "oci-archive:back.oci",
        ]);
        ran.failed(words);
        for file in ["back/index.json", "back.tar", "back.oci"] {
            assert!(!self.user.path(file).exists(), "{file}: {}", ran.stderr);
        }
        ran
    }

    /// Copying fails, and verifying finds the same.
    fn is_wrong(&self, copied: &[&str], verified: &[&str]) {
        self.fails(copied);
        let ran = self.user.run(&["verify", &self.name]);
        assert_eq!(ran.code, Some(1), "{}", text(&ran.stdout));
        let said = text(&ran.stdout) + &ran.stderr;
        assert!(!said.contains("panicked"), "{said}");
        for word in verified {
            assert!(said.contains(word), "{word:?} is not in: {said}");
        }
    }

    fn layer(&self) -> &[u8] {
        self.image.blobs.last().unwrap()
    }

    fn layer_path(&self) -> String {
        digest(self.layer())
    }
}

#[test]
fn downloads_go_on_where_they_broke() {
    for blobs in [Blobs::Direct, Blobs::Redirected] {
        let of_layer = digest(Image::of_sizes(&SIZES).blobs.last().unwrap());
        // Redirections are counted as well as what they lead to.
        let (first, times) = if blobs == Blobs::Direct { (1, 3) } else { (1, 6) };
        let cut = Fault::burst("GET", &of_layer, first, times, Effect::CutResponse(100_000));
        let case = Case::new(Personality { faults: vec![cut], blobs, ..Personality::default() });
        case.comes();
        let gets: Vec<_> = case
            .registry
            .requests()
            .into_iter()
            .filter(|request| request.path.contains(&of_layer) && request.sent > 0)
            .collect();
        let sent: u64 = gets.iter().map(|request| request.sent).sum();
        assert_eq!(sent, case.layer().len() as u64, "nothing comes twice");
        assert!(
            gets.len() == 4 && gets[1..].iter().all(|request| request.header("range").is_some()),
            "{gets:#?}"
        );
        assert!(gets.iter().all(
            |request| request.port == if blobs == Blobs::Direct { Port::Registry } else { Port::Storage }
        ));
    }
}

#[test]
fn what_fails_for_a_while() {
    for (method, path) in [("GET", "/v2/"), ("GET", "/manifests/"), ("GET", "/blobs/")] {
        for effect in [
            Effect::Status(503),
            Effect::Status(429),
            Effect::RetryAfter(429, 1),
            Effect::CutRequest(0),
            Effect::CutResponse(0),
            Effect::CutResponse(40),
            Effect::CutResponse(400),
        ] {
            Case::with(vec![Fault::burst(method, path, 1, 2, effect)]).comes();
        }
    }
    let tokens = Tokens { uses: Some(2), anonymous_pull: true, ..Tokens::new("tester", "secret") };
    Case::new(Personality {
        auth: Auth::Token(tokens),
        cut_uploads: CutUploads::Lost,
        ..Personality::default()
    })
    .comes();
}

#[test]
fn blobs_that_are_not_what_they_are_called() {
    for (damage, verified) in [
        (&(|blob: &mut Vec<u8>| blob[700] ^= 1) as &dyn Fn(&mut Vec<u8>), "has the digest"),
        (&|blob| blob.truncate(blob.len() - 1), "layer 2"),
        (&|blob| blob.push(0), "layer 2"),
        (&|blob| blob.clear(), "layer 2"),
        (&|blob| *blob = b"<html>sign in</html>".to_vec(), "layer 2"),
    ] {
        let case = Case::new(Personality::default());
        let mut blob = case.layer().to_vec();
        damage(&mut blob);
        case.registry.put_false_blob("app", &case.layer_path(), &blob);
        case.is_wrong(&[&case.layer_path()[7..]], &[verified]);
    }
    let case = Case::new(Personality::default());
    case.registry.remove_blob("app", &case.layer_path());
    case.is_wrong(&["hint:"], &["layer 2"]);
    // The config.
    let case = Case::new(Personality::default());
    let config = digest(&case.image.blobs[0]);
    case.registry.put_false_blob("app", &config, b"{}");
    case.is_wrong(&[&config, "in place of"], &[&config]);
    case.registry.remove_blob("app", &config);
    case.is_wrong(&["hint:"], &["not found (404)"]);
}

#[test]
fn layers_with_another_diff_id() {
    for program in ["cat", "gzip", "zstd"] {
        let plain = Image::of_sizes(&SIZES);
        let user = User::new();
        let file = user.write("layer", plain.blobs.last().unwrap());
        let other = user.write("other", b"something else".repeat(1000));
        let packed = |file: &std::path::Path| match program {
            "cat" => fs::read(file).unwrap(),
            _ => strake_testkit::command::stdout_of(command(program, ["-c".as_ref(), file.as_os_str()])),
        };
        for (bytes, right) in [(packed(&file), true), (packed(&other), false)] {
            let media_type = format!(
                "application/vnd.oci.image.layer.v1.tar{}",
                if program == "cat" { String::new() } else { format!("+{program}") }
            );
            let mut manifest: Value = serde_json::from_slice(&plain.manifest).unwrap();
            manifest["layers"][1] = descriptor(&media_type, &bytes);
            let mut image = Image { manifest: manifest.to_string().into_bytes(), blobs: plain.blobs.clone() };
            image.blobs[2] = bytes;
            let case = Case::of(image, Personality::default());
            if right {
                case.user.ok(&["verify", &case.name]);
                case.comes();
            } else {
                let verified = case.user.run(&["verify", &case.name]);
                verified.failed(&["has a problem"]);
                assert!(text(&verified.stdout).starts_with("layer 2: "), "{}", text(&verified.stdout));
            }
        }
    }
}

#[test]
fn manifests_that_lie() {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut image = Image::of_sizes(&SIZES);
        let mut manifest: Value = serde_json::from_slice(&image.manifest).unwrap();
        change(&mut manifest);
        image.manifest = manifest.to_string().into_bytes();
        Case::of(image, Personality::default())
    };
    for (change, words) in [
        (&(|manifest: &mut Value| manifest["layers"][1]["size"] = json!(5)) as &dyn Fn(&mut Value), &[][..]),
        (&|manifest| manifest["layers"][1]["size"] = json!(500_000), &[]),
        (&|manifest| manifest["layers"][1]["size"] = json!(-1), &[]),
        (&|manifest| manifest["layers"][1]["digest"] = json!("sha256:../../etc"), &["names a blob wrongly"]),
        (&|manifest| drop(manifest["layers"].as_array_mut().unwrap().pop()), &["1 layers but 2 diff ids"]),
        (&|manifest| manifest["layers"].as_array_mut().unwrap().reverse(), &["layer"]),
        (&|manifest| manifest["config"]["size"] = json!(5), &["bytes, not 5"]),
        (&|manifest| manifest["config"]["digest"] = json!(digest(b"gone")), &["not found (404)"]),
        (&|manifest| *manifest = json!([]), &[]),
        (&|manifest| *manifest = json!({"schemaVersion": 1, "name": "app", "fsLayers": []}), &[]),
    ] {
        let case = with(change);
        let ran = case.user.run(&["verify", &case.name]);
        assert_eq!(ran.code, Some(1), "{}", text(&ran.stdout));
        let said = text(&ran.stdout) + &ran.stderr;
        assert!(!said.contains("panicked") && ran.stderr.matches("strake: error:").count() == 1, "{said}");
        for word in words {
            assert!(said.contains(word), "{word:?} is not in: {said}");
        }
    }
    // Not what its digest says, whether it was asked for by tag or by digest.
    let case = Case::new(Personality::default());
    let manifest = digest(&case.image.manifest);
    case.registry.set_personality(Personality {
        faults: vec![Fault::burst("GET", "/manifests/", 1, 9, Effect::Corrupt(20))],
        ..Personality::default()
    });
    case.fails(&["in place of", &manifest]);
    let by_digest = format!("docker://{}/app@{manifest}", case.registry.address());
    case.user.run(&["copy", &by_digest, "oci:back"]).failed(&["in place of", &manifest]);
    // Too large for one.
    let case = Case::new(Personality::default());
    case.registry.put_manifest("app", "1", MANIFEST, &b" ".repeat(9_000_000));
    case.fails(&["larger than any manifest"]);
    // Invalid answers.
    for raw in [
        &b"\0\0\0"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
        b"HTTP/1.1 999 \r\n\r\n",
        b"SSH-2.0-x\r\n",
    ] {
        let case = Case::with(vec![Fault::burst("GET", "/manifests/", 1, 99, Effect::Raw(raw.to_vec()))]);
        case.fails(&["hint:"]);
    }
    let header = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(1_000_000)).into_bytes();
    Case::with(vec![Fault::burst("GET", "/manifests/", 1, 99, Effect::Raw(header))]).fails(&[]);
}

/// Manifests that programs read differently, and what they are sent as.
#[test]
fn ambiguous_manifests() {
    let (user, registry) = (User::new(), Registry::start(Personality::default()));
    let image = Image::of_sizes(&[10]);
    image.put(&registry, "app", "right");
    let manifest = text(&image.manifest);
    let docker = "application/vnd.docker.distribution.manifest.v2+json";
    for (words, sent_as, manifest) in [
        ("\"Layers\", which some programs take for", MANIFEST, manifest.replacen('{', r#"{"Layers":[],"#, 1)),
        ("keys \"layers\" and \"layers\"", MANIFEST, manifest.replacen('{', r#"{"\u006cayers":[],"#, 1)),
        ("has the key \"fsLayers\" of another", MANIFEST, manifest.replacen('{', r#"{"fsLayers":[],"#, 1)),
        (
            "has the key \"config\" of another",
            INDEX,
            manifest.replace(&format!(r#""mediaType":"{MANIFEST}","#), ""),
        ),
        ("is listed as", INDEX, manifest.clone()),
        ("is listed as", docker, manifest.clone()),
        (
            "has the schemaVersion 1",
            MANIFEST,
            manifest.replace(r#""schemaVersion":2"#, r#""schemaVersion":1"#),
        ),
        (
            "some programs take for",
            MANIFEST,
            manifest.replace(MANIFEST, "application/vnd.OCI.image.manifest.v1+json"),
        ),
        ("trailing characters", MANIFEST, manifest.clone() + "{}"),
    ] {
        registry.put_manifest("app", "odd", sent_as, manifest.as_bytes());
        let name = format!("docker://{}/app:odd", registry.address());
        for arguments in [
            &["verify", &name][..],
            &["copy", &name, "oci:new"],
            &["copy", &name, "docker-archive:new"],
            &["export", &name, "-o", "new"],
            &["merge", &name, "-o", "new"],
        ] {
            let ran = user.run(arguments);
            let said = text(&ran.stdout) + &ran.stderr;
            assert!(ran.code == Some(1) && said.contains(words), "{words}: {arguments:?}: {said}");
            assert!(!user.path("new").exists(), "{arguments:?}");
        }
    }
}

#[test]
fn indexes() {
    let (user, registry) = (User::new(), Registry::start(Personality::default()));
    let other = |image: Image| {
        let config = text(&image.blobs[0]).replace("amd64", "arm64").into_bytes();
        let manifest = text(&image.manifest).replace(&digest(&image.blobs[0]), &digest(&config));
        Image { manifest: manifest.into_bytes(), blobs: vec![config, image.blobs[1].clone()] }
    };
    let images = [Image::of_sizes(&[10]), other(Image::of_sizes(&[20]))];
    let entries: Vec<Value> = images
        .iter()
        .zip(["amd64", "arm64"])
        .map(|(image, architecture)| {
            image.put(&registry, "app", "x");
            let mut entry = descriptor(MANIFEST, &image.manifest);
            entry["platform"] = json!({"os": "linux", "architecture": architecture});
            entry
        })
        .collect();
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).to_string();
    let of_index = registry.put_manifest("app", "all", INDEX, index.as_bytes());
    let name = format!("{}/app", registry.address());
    let said = text(&user.ok(&["pin", &format!("docker://{name}:all")]).stdout);
    let line = |number: usize, platform: &str| {
        format!("{platform:<16} {name}@{}\n", digest(&images[number].manifest))
    };
    let expected = line(0, "linux/amd64") + &line(1, "linux/arm64");
    assert_eq!(said, expected);
    let said = text(&user.ok(&["pin", "--json", &format!("{name}@{of_index}")]).stdout);
    let first: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!(
        first,
        json!({"platform": "linux/amd64", "image": format!("{name}@{}", digest(&images[0].manifest))})
    );
    for (image, architecture) in images.iter().zip(["amd64", "arm64"]) {
        user.ok(&[
            "copy",
            "--arch",
            architecture,
            &format!("docker://{name}:all"),
            &format!("oci:{architecture}"),
        ]);
        assert_eq!(user.manifest_digest(&format!("oci:{architecture}")), digest(&image.manifest));
    }
    user.run(&["copy", "--arch", "s390x", &format!("docker://{name}:all"), "oci:x"])
        .failed(&["linux/amd64", "linux/arm64"]);
    user.run(&["pin", &format!("{name}:gone")]).failed(&["not found (404)", "hint:"]);
    user.run(&["pin", &format!("{}/gone", registry.address())]).failed(&["not found (404)"]);
    // One image is pinned by what is in its config.
    registry.put_manifest("app", "one", MANIFEST, &images[1].manifest);
    let said = text(&user.ok(&["pin", &format!("{name}:one")]).stdout);
    assert_eq!(said, format!("linux/arm64      {name}@{}\n", digest(&images[1].manifest)));
    // An index in itself, and one of what is no image.
    for manifests in [
        json!([{"mediaType": INDEX, "digest": of_index, "size": index.len()}]),
        json!([{"mediaType": "text/plain", "digest": of_index, "size": 1}]),
        json!([]),
        json!({}),
        json!([{}]),
    ] {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).to_string();
        registry.put_manifest("app", "odd", INDEX, index.as_bytes());
        let ran = user.run(&["copy", &format!("docker://{name}:odd"), "oci:odd"]);
        assert!(ran.code == Some(1) || manifests[0]["mediaType"] == INDEX, "{}", ran.stderr);
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    }
}

/// A layer that becomes a thousand times as large, and says that it is another.
#[test]
#[ignore = "needs time"]
fn a_bomb_takes_no_memory() {
    let user = User::new();
    for (program, options) in [("gzip", "-9"), ("zstd", "-19")] {
        let mut compress =
            command("bash", ["-c", &format!("head -c 300000000 /dev/zero | {program} {options}")]);
        let bomb = output_of(&mut compress).stdout;
        assert!(bomb.len() < 1_000_000);
        let mut image = Image::of(&[b"another"]);
        let mut manifest: Value = serde_json::from_slice(&image.manifest).unwrap();
        manifest["layers"][0] =
            descriptor(&format!("application/vnd.oci.image.layer.v1.tar+{program}"), &bomb);
        (image.manifest, image.blobs[1]) = (manifest.to_string().into_bytes(), bomb);
        let case = Case::of(image, Personality::default());
        let strake = user.command(&["verify", &case.name]);
        let mut timed = command("/usr/bin/time", ["-q", "-f", "%M"]);
        timed.arg(strake.get_program()).args(strake.get_args()).current_dir(user.home());
        let output = output_of(&mut timed);
        assert_eq!(output.status.code(), Some(1));
        let said = text(&output.stderr);
        let kilobytes: u64 = said.lines().last().unwrap().parse().unwrap();
        assert!(kilobytes <= 64 * 1024, "{program}: {said}");
        std::io::stdout().flush().unwrap();
    }
}
