use std::fs;

use serde_json::{Value, json};
use strake_testkit::registries::{Access, PASSWORD, Program, RealRegistry, Setup, USER};
use strake_testkit::registry::{Auth, Personality, Referrers, Registry, Tokens};
use strake_testkit::tree::Node;

use crate::registry::{User, copy_as_usual, events, path, received, store};
use crate::registry_push::settled;

const SIZES: [usize; 4] = [3000, 700_000, 1_500_000, 90_000];

fn name(address: &str, tag: &str) -> String {
    format!("docker://{address}/app:{tag}")
}

/// Puts another file into a store path.
fn change(store: &(strake_testkit::store::TestStore, std::path::PathBuf), size: usize) {
    let changed = store.0.real(&path(1));
    fs::remove_dir_all(&changed).unwrap();
    Node::Directory(0o755, vec![(b"other".to_vec(), Node::File(size, 0o644))]).make(&changed);
}

/// A machine without a cache pushes a new tag: changed layers are sent, and a few requests find the unchanged ones.
#[test]
fn a_new_tag_sends_only_what_has_changed() {
    let store = settled(&SIZES);
    let registry = Registry::start(Personality::default());
    let address = registry.address();
    for tag in ["main", "v1.9", "v1.10", "0a1b2c3", "unrelated"] {
        User::new().ok(&copy_as_usual(&store, &[&name(&address, tag)]));
    }
    change(&store, 123_456);
    registry.clear_log();
    let ran = User::new().ok(&copy_as_usual(&store, &["--json", &name(&address, "4d5e6f7")]));
    let manifest = registry.manifest("app", "4d5e6f7").unwrap().1;
    let listed: Value = serde_json::from_slice(&manifest).unwrap();
    let size = |descriptor: &Value| descriptor["size"].as_u64().unwrap();
    let expected = size(&listed["layers"][1]) + size(&listed["config"]) + manifest.len() as u64;
    assert_eq!(received(&registry), expected);
    let sent = events(&ran, "blob").iter().filter(|blob| blob["outcome"] == "sent").count();
    assert_eq!(sent, 2, "{}", ran.stderr);
    assert!(events(&ran, "done")[0]["compressed"].as_u64().unwrap() < 200_000);
    // One image stands behind all tags that are looked at, so its config is fetched once.
    let asked = |method: &str, path: &str| registry.count(method, path);
    assert_eq!((asked("GET", "/tags/list"), asked("GET", "/manifests/")), (1, 5));
    assert_eq!(asked("GET", "/blobs/sha256:"), 1);
    for tag in ["4d5e6f7", "main", "v1.10", "v1.9"] {
        assert_eq!(asked("GET", &format!("/manifests/{tag}")), 1, "{tag}");
    }
    let layers = SIZES.len() + 1;
    assert!(asked("HEAD", "/blobs/") <= 2 * layers, "{:?}", registry.requests());
    assert_eq!(registry.complete("app", "4d5e6f7"), Ok(()));
    // A machine that compressed all of it requests nothing.
    let user = User::new();
    user.ok(&copy_as_usual(&store, &[&name(&address, "1").replace("/app", "/another")]));
    registry.clear_log();
    user.ok(&copy_as_usual(&store, &[&name(&address, "6")]));
    assert_eq!(registry.count("GET", "/v2/app/"), 0, "{:?}", registry.requests());
}

/// A repository with many images costs no more requests than one with a few.
#[test]
fn few_images_are_looked_at() {
    let store = settled(&SIZES[..2]);
    let registry = Registry::start(Personality { tags_page: Some(2), ..Personality::default() });
    let address = registry.address();
    for number in 0..12 {
        let image = strake_testkit::image::Image::of_sizes(&[1000 + number]);
        image.put(&registry, "app", &format!("v{number}"));
    }
    registry.clear_log();
    User::new().ok(&copy_as_usual(&store, &[&name(&address, "new")]));
    let asked = |path: &str| registry.count("GET", path);
    // Its own tag, and four others: the list is cut, so that the usual tags are tried as well.
    assert_eq!((asked("/tags/list"), asked("/manifests/")), (4, 5));
    for tag in ["latest", "main", "master"] {
        assert_eq!(asked(&format!("/manifests/{tag}")), 1);
    }
    // A new repository has no tags.
    registry.clear_log();
    User::new().ok(&copy_as_usual(&store, &[&name(&address, "new").replace("/app", "/another")]));
    assert_eq!((asked("/tags/list"), asked("/manifests/")), (1, 1));
}

/// Layers in registries are compressed by default, and layers that are there uncompressed stay so.
#[test]
fn pushes_compress() {
    let store = settled(&SIZES);
    let registry = Registry::start(Personality::default());
    let (address, user) = (registry.address(), User::new());
    let types = |tag: &str| {
        let manifest: Value = serde_json::from_slice(&registry.manifest("app", tag).unwrap().1).unwrap();
        let layers = manifest["layers"].as_array().unwrap().clone();
        let end = |layer: &Value| layer["mediaType"].as_str().unwrap().rsplit_once('.').unwrap().1.to_owned();
        layers.iter().map(end).collect::<Vec<_>>()
    };
    User::new().ok(&copy_as_usual(&store, &["--compress=none", &name(&address, "plain")]));
    assert_eq!(types("plain"), ["tar"; 5]);
    change(&store, 123_456);
    // As it is there, and the one that is not there compressed.
    User::new().ok(&copy_as_usual(&store, &["--previous=plain", &name(&address, "mixed")]));
    assert_eq!(types("mixed"), ["tar", "tar+gzip", "tar", "tar", "tar"]);
    // A requested format is used.
    User::new().ok(&copy_as_usual(&store, &["--compress=gzip", &name(&address, "gzip")]));
    assert_eq!(types("gzip"), ["tar+gzip"; 5]);
    let repository = |other: &str| name(&address, "1").replace("/app", other);
    user.ok(&copy_as_usual(&store, &[&repository("/new"), "oci:layout", "docker-archive:image.tar"]));
    user.ok(&copy_as_usual(&store, &["oci:plain"]));
    let raw = |image: &str| user.ok(&["inspect", "--raw", image]).stdout;
    assert_eq!(raw("oci:layout"), raw(&repository("/new")));
    assert!(String::from_utf8(raw("oci:layout")).unwrap().contains("tar+gzip"));
    assert!(!String::from_utf8(raw("oci:plain")).unwrap().contains("tar+gzip"));
    // Finished images, too, but for those out of registries, which stay the same.
    user.ok(&["copy", "oci:plain", &repository("/second")]);
    assert_eq!(raw("oci:layout"), raw(&repository("/second")));
    user.ok(&["copy", &name(&address, "plain"), &repository("/third")]);
    assert_eq!(raw(&name(&address, "plain")), raw(&repository("/third")));
    // Each name is printed with its digest.
    let ran = user.ok(&copy_as_usual(&store, &["--json", &name(&address, "a"), &name(&address, "b")]));
    let written = events(&ran, "written");
    let places: Vec<&str> = written.iter().map(|event| event["destination"].as_str().unwrap()).collect();
    assert_eq!(places, [name(&address, "a"), name(&address, "b")]);
    assert!(written.iter().all(|event| event["manifest"] == user.manifest_digest(&name(&address, "a"))));
    let said = user.ok(&copy_as_usual(&store, &[&name(&address, "a"), &name(&address, "b")])).stderr;
    for tag in ["a", "b"] {
        assert!(said.contains(&format!("{}  manifest sha256:", name(&address, tag))), "{said}");
    }
    let said = user.ok(&copy_as_usual(&store, &["--previous=gone", &name(&address, "c")])).stderr;
    assert!(said.contains("warning: --previous: there is no") && said.contains("/app:gone"), "{said}");
    let ran = user.run(&copy_as_usual(&store, &["--previous=a/b", &name(&address, "d")]));
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
}

#[test]
fn tags_are_listed_page_by_page() {
    for tags_page in [None, Some(2)] {
        let registry = Registry::start(Personality { tags_page, ..Personality::default() });
        let (user, repository) = (User::new(), format!("docker://{}/app", registry.address()));
        let tags = ["1.0", "1.1", "latest", "main", "v2"];
        user.image(&[10]).put(&registry, "app", "1.0");
        for tag in &tags[1..] {
            user.ok(&["tag", &format!("{repository}:1.0"), tag]);
        }
        registry.clear_log();
        let listed = user.ok(&["list-tags", &repository]).stdout;
        assert_eq!(String::from_utf8(listed).unwrap().lines().collect::<Vec<_>>(), tags);
        assert_eq!(registry.count("GET", "/tags/list"), if tags_page.is_some() { 3 } else { 1 });
        let bare = repository.strip_prefix("docker://").unwrap();
        assert_eq!(
            user.json(&["list-tags", "--json", bare]),
            json!({ "repository": repository, "tags": tags })
        );
        user.run(&["list-tags", &format!("{repository}er")]).failed(&["not found (404)", "hint:"]);
        user.run(&["list-tags", &format!("{repository}:1.0")]).refused(&["is an image, not a repository"]);
    }
}

#[test]
fn tags_move_no_blobs() {
    let registry = Registry::start(Personality::default());
    let (user, address) = (User::new(), registry.address());
    let digest = user.image(&[1000, 2000]).put(&registry, "app", "old");
    for source in [name(&address, "old"), format!("docker://{address}/app@{digest}")] {
        for tag_parameters in [false, true] {
            registry.set_personality(Personality { tag_parameters, ..Personality::default() });
            registry.clear_log();
            let told = String::from_utf8(user.ok(&["tag", &source, "new", "newer"]).stdout).unwrap();
            let expected = ["new", "newer"].map(|tag| format!("{}  {digest}\n", name(&address, tag)));
            assert_eq!(told, expected.concat());
            assert_eq!(registry.count("", "/blobs/"), 0);
            assert_eq!(received(&registry) % registry.manifest("app", "old").unwrap().1.len() as u64, 0);
            for tag in ["new", "newer"] {
                assert_eq!(registry.manifest("app", tag), registry.manifest("app", "old"));
            }
        }
    }
    let told = user.json(&["tag", "--json", &name(&address, "old"), "another"]);
    assert_eq!(told, json!({ "image": name(&address, "another"), "manifest": digest }));
    user.run(&["tag", &name(&address, "gone"), "x"]).failed(&["app:gone", "not found (404)"]);
    for wrong in ["a/b", "docker://other/app:1", "", "a b"] {
        assert_eq!(user.run(&["tag", &name(&address, "old"), wrong]).code, Some(2), "{wrong}");
    }
}

#[test]
fn what_else_leads_to_an_image_is_said_before_it_is_deleted() {
    let registry = Registry::start(Personality::default());
    let (user, address) = (User::new(), registry.address());
    let image =
        |tag: &str, size: usize| strake_testkit::image::Image::of_sizes(&[size]).put(&registry, "app", tag);
    let (one, two) = (image("one", 1000), image("two", 2000));
    user.ok(&["tag", &name(&address, "one"), "uno", "un"]);
    let failed = user.run(&["delete", &name(&address, "one")]);
    failed.failed(&["also has the tags un, uno", "hint:", "--force"]);
    user.run(&["delete", &format!("docker://{address}/app@{one}")]).failed(&["one, un, uno"]);
    assert_eq!(registry.tags("app").len(), 4);
    // An index that lists it.
    let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [
        {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": two,
         "size": registry.manifest("app", "two").unwrap().1.len()}]});
    let index_type = "application/vnd.oci.image.index.v1+json";
    registry.put_manifest("app", "multi", index_type, index.to_string().as_bytes());
    user.run(&["delete", &name(&address, "two")]).failed(&["listed by", "multi", "broken", "hint:"]);
    user.ok(&["delete", &name(&address, "multi")]);
    let told = String::from_utf8(user.ok(&["delete", &name(&address, "two")]).stdout).unwrap();
    assert_eq!(told, format!("{}  {two}\n", name(&address, "two")));
    let told = user.ok(&["delete", "--force", "--json", &name(&address, "one")]).stdout;
    assert_eq!(String::from_utf8(told).unwrap().lines().count(), 3);
    assert!(registry.tags("app").is_empty() && registry.manifest("app", &one).is_none());
    user.run(&["delete", &name(&address, "one")]).failed(&["not found (404)"]);
    user.run(&["delete", &format!("docker://{address}/app")]).refused(&["does not say which image"]);
    // By digest, without any tag; and where it is not allowed.
    let three = image("three", 3000);
    registry.set_personality(Personality {
        no_deletes: true,
        referrers: Referrers::Absent,
        ..Personality::default()
    });
    user.run(&["delete", &name(&address, "three")]).failed(&[
        "method not allowed (405)",
        "hint:",
        "REGISTRY_STORAGE_DELETE_ENABLED",
    ]);
    registry.set_personality(Personality::default());
    user.ok(&["delete", "--force", &format!("docker://{address}/app@{three}")]);
    assert!(registry.manifest("app", &three).is_none());
}

/// With tokens, each for what it is needed for.
#[test]
fn tokens_for_each_verb() {
    let auth = Auth::Token(Tokens::new("tester", "secret"));
    let registry = Registry::start(Personality { auth, ..Personality::default() });
    let (user, address) = (User::new(), registry.address());
    user.image(&[1000]).put(&registry, "app", "1");
    let creds = "--creds=tester:secret";
    let scopes = |arguments: &[&str]| {
        registry.clear_log();
        user.ok(arguments);
        let asked = registry.requests();
        let asked = asked.iter().filter(|request| request.path == "/token");
        asked.filter_map(|request| Some(request.query.split_once("scope=")?.1.to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(scopes(&["list-tags", creds, &format!("{address}/app")]), ["repository%3Aapp%3Apull"]);
    let push = "repository%3Aapp%3Apull%2Cpush";
    assert_eq!(scopes(&["tag", creds, &name(&address, "1"), "2"]), ["repository%3Aapp%3Apull", push]);
    let all = "repository%3Aapp%3A*";
    assert_eq!(scopes(&["delete", "--force", creds, &name(&address, "1")]), ["repository%3Aapp%3Apull", all]);
}

#[test]
#[ignore = "needs docker-registry, registry, crane"]
fn real_registries_list_tag_and_delete() {
    let store = store(&SIZES[..2]);
    for program in Program::ALL {
        let accesses: &[Access] = if program == Program::Crane {
            &[Access::Anyone]
        } else {
            &[Access::Anyone, Access::Password, Access::Token]
        };
        for access in accesses {
            let registry = RealRegistry::start(program, Setup { access: *access, ..Setup::default() });
            let (user, address) = (User::new(), registry.address());
            let creds = format!("--creds={USER}:{PASSWORD}");
            let with = |arguments: &[&str]| {
                let creds = [&*creds];
                let creds: &[&str] = if *access == Access::Anyone { &[] } else { &creds };
                user.ok(&[arguments, creds].concat())
            };
            let lines = |arguments: &[&str]| String::from_utf8(with(arguments).stdout).unwrap();
            with(&copy_as_usual(&store, &[&name(&address, "1.0")]));
            with(&copy_as_usual(&store, &["--annotation=a=b", &name(&address, "other")]));
            with(&["tag", &name(&address, "1.0"), "1", "latest"]);
            let repository = format!("docker://{address}/app");
            let mut tags: Vec<String> =
                lines(&["list-tags", &repository]).lines().map(str::to_owned).collect();
            tags.sort();
            assert_eq!(tags, ["1", "1.0", "latest", "other"], "{program:?}");
            let told = lines(&["delete", "--force", &name(&address, "1.0")]);
            assert_eq!(told.lines().count(), 3, "{told}");
            assert_eq!(lines(&["list-tags", &repository]), "other\n", "{program:?} {access:?}");
            with(&["verify", &name(&address, "other")]);
        }
    }
}
