use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use strake_testkit::command::{command, output_of, stdout_of, text};
use strake_testkit::store::TestStore;
use strake_testkit::workspace;

use crate::strake::{Ran, program, ran};

const HASH: &str = "00000000000000000000000000000000";

/// A user with a store, and a working directory that is the one above it.
struct User(TestStore);

impl User {
    fn new() -> Self {
        Self(TestStore::empty())
    }

    /// A file in the working directory.
    fn path(&self, name: &str) -> PathBuf {
        self.0.root().join(name)
    }

    /// Makes a store path of these executables in `bin`, and the references graph `graph.json` of all that was made so. Returns its
    /// name.
    fn package(&self, name: &str, programs: &[&str]) -> String {
        let path = format!("/nix/store/{HASH}-{name}");
        fs::create_dir_all(self.0.real(&path).join("share")).unwrap();
        for program in programs {
            let file = self.0.real(&path).join("bin").join(program);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "#!/bin/sh\n").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let graph = fs::read(self.path("graph.json")).unwrap_or(b"[]".into());
        let mut graph: Value = serde_json::from_slice(&graph).unwrap();
        graph.as_array_mut().unwrap().push(json!({ "path": path, "references": [], "narSize": 1 }));
        fs::write(self.path("graph.json"), graph.to_string()).unwrap();
        path
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.fed(arguments, Stdio::null())
    }

    fn fed(&self, arguments: &[&str], stdin: impl Into<Stdio>) -> Ran {
        let mut strake = program();
        strake.args(arguments).current_dir(self.0.root()).stdin(stdin);
        strake.env("STRAKE_CACHE_DIR", self.path("cache")).env("TMPDIR", self.path("tmp"));
        fs::create_dir_all(self.path("tmp")).unwrap();
        let ran = ran(output_of(&mut strake));
        assert_eq!(fs::read_dir(self.path("tmp")).unwrap().count(), 0, "{arguments:?} left something behind");
        ran
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}{}", text(&ran.stdout), ran.stderr);
        text(&ran.stdout)
    }

    /// The config of an image that is planned.
    fn config(&self, arguments: &[&str]) -> Value {
        let all = [&["plan", "--store-root", ".", "--graph", "graph.json"], arguments].concat();
        let conf: Value = serde_json::from_str(&self.ok(&all)).unwrap();
        conf["config"].clone()
    }

    /// The message about a misuse, to the letter, with `ROOT` for the working directory. clap's line about help is left out.
    fn check(&self, arguments: &[&str], code: i32, expected: &str) {
        let ran = self.run(arguments);
        let said = ran.stderr.split("\n\nFor more information").next().unwrap().trim_end();
        let said = said.replace(self.0.root().to_str().unwrap(), "ROOT");
        assert_eq!((said.as_str(), ran.code), (expected, Some(code)), "{arguments:?}");
        assert!(ran.stdout.is_empty(), "{arguments:?} wrote {}", text(&ran.stdout));
    }

    /// The image's ID.
    fn id(&self, arguments: &[&str]) -> String {
        let shown: Value =
            serde_json::from_str(&self.ok(&[&["inspect", "--json"], arguments].concat())).unwrap();
        shown["image_id"].as_str().unwrap().to_owned()
    }

    /// The example's image in all forms: archives `image.tar`, `image.tar.gz` and `image.oci.tar`, the layout `layout`, the
    /// conf `conf.json`. Returns its ID.
    fn images(&self) -> String {
        let example = workspace().join("examples/hello");
        fs::copy(example.join("conf.json"), self.path("conf.json")).unwrap();
        for entry in fs::read_dir(example.join("nix/store")).unwrap() {
            let source = entry.unwrap().path();
            stdout_of(command(
                "cp",
                ["-a".as_ref(), source.as_os_str(), self.0.real("/nix/store").as_os_str()],
            ));
        }
        let forms = ["docker-archive:image.tar", "oci:layout", "oci-archive:image.oci.tar"];
        self.ok(&[&["copy", "-q", "--store-root", ".", "conf.json"], &forms[..]].concat());
        stdout_of(command("gzip", ["-k".as_ref(), self.path("image.tar").as_os_str()]));
        self.id(&["oci:layout"])
    }
}

#[test]
fn programs_are_found() {
    let user = User::new();
    let app = user.package("app", &["app", "tool"]);
    let other = user.package("other", &["app", "other"]);
    let usual = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let path = format!("PATH={app}/bin:{usual}");
    let program = |name: &str| format!("{app}/bin/{name}");
    let check = |arguments: &[&str], expected: Value| {
        assert_eq!(user.config(&[&[app.as_str()], arguments].concat()), expected, "{arguments:?}");
    };
    check(&["--entrypoint", "app"], json!({ "Entrypoint": [program("app")], "Env": [path] }));
    check(&["--cmd", "tool", "--cmd", "app"], json!({ "Cmd": [program("tool"), "app"], "Env": [path] }));
    check(
        &["--entrypoint", "[\"tool\", \"x\"]", "--cmd", "app"],
        json!({ "Entrypoint": [program("tool"), "x"], "Cmd": ["app"], "Env": [path] }),
    );
    // A program named by its whole path was set by the user; so was a PATH.
    check(&["--entrypoint", "/bin/x"], json!({ "Entrypoint": ["/bin/x"], "Env": [path] }));
    let env = |variables: &[&str]| json!({ "Entrypoint": ["gone"], "Env": variables });
    check(&["--entrypoint", "gone", "-e", "PATH=/x"], env(&["PATH=/x"]));
    check(&["-e", "A=b"], json!({ "Env": [path, "A=b"] }));
    // The first that has it, of what is named and of what is linked at the root.
    let both = format!("PATH={app}/bin:{other}/bin:{usual}");
    check(
        &[&other, "--entrypoint", "other"],
        json!({ "Entrypoint": [format!("{other}/bin/other")], "Env": [both] }),
    );
    let expected = json!({ "Entrypoint": [format!("{other}/bin/other")], "Env": [path] });
    check(&["--contents", &other, "--entrypoint", "other"], expected);
    // Files that the image has where every container looks.
    fs::create_dir_all(user.path("files/usr/bin")).unwrap();
    fs::write(user.path("files/usr/bin/own"), "").unwrap();
    check(&["--root", "files", "--entrypoint", "own"], json!({ "Entrypoint": ["own"], "Env": [path] }));
    // Nothing is made up where there are no programs.
    let data = user.package("data", &[]);
    assert_eq!(user.config(&[&data]), json!({}));
    // The entrypoint of a file is the user's, and what stands behind it is no program.
    fs::write(user.path("config.json"), r#"{"Entrypoint": ["x"], "Env": null}"#).unwrap();
    check(
        &["--config", "config.json", "--cmd", "app"],
        json!({ "Entrypoint": ["x"], "Env": [path], "Cmd": ["app"] }),
    );
    // A base image's PATH stays, and programs may be in it.
    let base = [
        "copy",
        "-q",
        "--store-root",
        ".",
        "--graph",
        "graph.json",
        &app,
        "-e",
        "PATH=/base",
        "--entrypoint",
        "tool",
    ];
    user.ok(&[&base[..], &["oci:base"]].concat());
    check(&["--from", "oci:base", "--entrypoint", "sh"], json!({ "Entrypoint": ["sh"] }));
    check(&["--from", "oci:base", "--entrypoint", "app"], json!({ "Entrypoint": [program("app")] }));
    check(&["--from", "oci:base", "--inherit", "all", "--cmd", "app"], json!({ "Cmd": ["app"] }));
}

#[test]
fn programs_that_are_not_there() {
    let user = User::new();
    let app = user.package("app", &["app", "tool"]);
    let data = user.package("data", &[]);
    let hint =
        "hint: name a program that is there, or its whole path; with --env PATH=… the container looks for it";
    let bin = format!("{app}/bin");
    for (arguments, expected) in [
        (
            &[app.as_str(), "--entrypoint", "ap"][..],
            format!("--entrypoint \"ap\": there is no such program in {bin}, but app, tool"),
        ),
        (
            &[&app, "--cmd", "echo hi"],
            format!("--cmd \"echo hi\": there is no such program in {bin}, but app, tool"),
        ),
        (
            &[&data, "--cmd", "app"],
            "--cmd \"app\": no store path that is planned has a directory bin here".to_owned(),
        ),
        (
            &["--name", "x", "--cmd", "app"],
            "--cmd \"app\": no store path that is planned has a directory bin here".to_owned(),
        ),
    ] {
        for verb in [&["plan"][..], &["stream", "-o", "new"], &["copy", "oci:new"]] {
            let graph = ["--store-root", ".", "--graph", "graph.json"];
            let arguments = match verb {
                ["copy", target] => [&["copy"], arguments, &[*target], &graph].concat(),
                _ => [verb, arguments, &graph].concat(),
            };
            if verb[0] == "plan" || arguments.contains(&app.as_str()) || arguments.contains(&data.as_str()) {
                user.check(&arguments, 2, &format!("strake: error: {expected}\n{hint}"));
            }
        }
        assert!(!user.path("new").exists());
    }
}

/// Names are looked at before anything else is.
#[test]
fn names() {
    let user = User::new();
    let full = "a name is lowercase, like hello:1.0 or registry.example.org/team/hello:1.0";
    let name = "a name is lowercase and has no tag, like hello or registry.example.org/team/hello; --tag is for the tag";
    let tag = "a tag is like 1.0 or latest: letters, digits, _, . and -";
    for (arguments, option, value, why) in [
        (&["stream", "gone", "-t"][..], "--repo-tag <NAME:TAG>", "Hello:1", full),
        (&["stream", "gone", "-t"], "--repo-tag <NAME:TAG>", "a:b c", full),
        (&["stream", "gone", "-t"], "--repo-tag <NAME:TAG>", "a b", full),
        (&["describe", "gone", "-t"], "--repo-tag <NAME:TAG>", "a:", full),
        (&["plan", "gone", "--name"], "--name <NAME>", "Hello", name),
        (&["plan", "gone", "--name"], "--name <NAME>", "hello:1", name),
        (&["copy", "gone", "oci:new", "--name"], "--name <NAME>", "a//b", name),
        (&["stream", "gone", "--tag"], "--tag <TAG>", "a b", tag),
        (&["plan", "gone", "--tag"], "--tag <TAG>", "-1", tag),
    ] {
        let value_argument = format!("--{}={value}", option[2..].split(' ').next().unwrap());
        let arguments = [&arguments[..arguments.len() - 1], &[&*value_argument]].concat();
        user.check(&arguments, 2, &format!("error: invalid value '{value}' for '{option}': {why}"));
    }
    let hint = "hint: a name is like hello:1.0 or registry.example.org/team/hello:1.0";
    for target in
        ["docker-archive:new:Hello:1", "docker-archive:new:a:b c", "oci:new:a b", "oci-archive:new:-a"]
    {
        let name = target.splitn(3, ':').last().unwrap();
        let expected = format!("strake: error: {name:?} is not a name that an image can have\n{hint}");
        user.check(&["copy", "gone", target], 2, &expected);
    }
    assert!(!user.path("new").exists());
}

#[test]
fn a_name_without_a_tag() {
    let user = User::new();
    let app = user.package("app", &[]);
    let plan = [&*app, "--store-root", ".", "--graph", "graph.json"];
    user.ok(&[&["stream", "-q", "-t", "hello", "-o", "new.tar"], &plan[..]].concat());
    assert!(user.ok(&["inspect", "docker-archive:new.tar"]).contains("name         hello:latest\n"));
    let described = user.ok(&[&["describe", "-q", "-t", "registry.example.org:5000/a"], &plan[..]].concat());
    let described: Value = serde_json::from_str(&described).unwrap();
    assert_eq!(described["repo_tag"], "registry.example.org:5000/a:latest");
    assert!(described["described"].is_array());
    // The name of a store path becomes one that an image can have.
    for (store_path, name) in
        [("C++.app", "c-app"), ("x-.y", "x-y"), ("+a_", "a"), ("a__b.1--c", "a__b.1--c")]
    {
        let path = user.package(store_path, &[]);
        let conf: Value = serde_json::from_str(&user.ok(&["plan", &path, "--graph", "graph.json"])).unwrap();
        assert!(conf["repo_tag"].as_str().unwrap().starts_with(&format!("{name}:")), "{conf}");
    }
}

/// Store paths, and links to them, that are images themselves.
#[test]
fn store_paths_that_are_images() {
    let user = User::new();
    let id = user.images();
    let store = |name: &str| format!("/nix/store/{HASH}-{name}");
    for name in ["conf.json", "image.tar", "image.tar.gz", "image.oci.tar", "layout"] {
        stdout_of(command(
            "cp",
            ["-a".as_ref(), user.path(name).as_os_str(), user.0.real(&store(name)).as_os_str()],
        ));
    }
    let script = |name: &str, line: String| {
        let file = user.0.real(&store(name));
        fs::write(&file, format!("#! /nix/store/{HASH}-bash/bin/bash -e\n{line}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let conf = store("conf.json");
    script("stream-docker-tools", format!("exec \"/nix/store/{HASH}-stream\"  {conf} \"$@\" "));
    script("stream-strake", format!("exec /nix/store/{HASH}-strake/bin/strake stream {conf} \"$@\""));
    let archive = "is a docker-archive";
    for (name, what) in [
        ("conf.json", "is the conf of an image, or streams one"),
        ("image.tar", archive),
        ("image.tar.gz", archive),
        ("image.oci.tar", "is an archive of an OCI layout"),
        ("layout", "is an OCI layout"),
        ("stream-docker-tools", "is the conf of an image, or streams one"),
        ("stream-strake", "is the conf of an image, or streams one"),
    ] {
        let link = format!("result-{name}");
        symlink(store(name), user.path(&link)).unwrap();
        let mut arguments = vec![store(name), format!("./{link}")];
        if name == "layout" {
            arguments.push(format!("{link}/"));
        }
        for argument in &arguments {
            assert_eq!(user.id(&["--store-root", ".", argument]), id, "{argument}");
            user.ok(&["verify", "--store-root", ".", argument]);
            user.ok(&["copy", "-q", "--store-root", ".", argument, "oci:new"]);
            assert_eq!(user.id(&["oci:new"]), id, "{argument}");
            user.ok(&["stream", "-q", "--store-root", ".", argument, "-t", "other:2", "-o", "new.tar"]);
            assert_eq!(user.id(&["docker-archive:new.tar:other:2"]), id, "{argument}");
            fs::remove_dir_all(user.path("new")).unwrap();
        }
        let or_base = if what.contains("conf") { "" } else { ", or give it as the base image with --from" };
        let said = format!(
            "strake: error: {} {what}, not a store path to plan an image of\nhint: give it alone to strake stream or strake copy{or_base}",
            arguments[0]
        );
        user.check(&["plan", "--store-root", ".", &arguments[0]], 2, &said);
        let app = user.package("app", &[]);
        user.check(&["stream", "--store-root", ".", &app, &arguments[0]], 2, &said);
        user.check(&["copy", "--store-root", ".", &arguments[0], &app, "oci:new"], 2, &said);
        // Nothing can be planned of it.
        let planned = user.run(&["copy", "--store-root", ".", &arguments[0], "oci:new", "--cmd", "x"]);
        planned.refused(&["hint: give what the image is to be"]);
        assert!(!user.path("new").exists());
    }
    // Files that only look like images are files.
    fs::create_dir(user.path("data")).unwrap();
    fs::write(user.path("data/manifest.json"), "{}").unwrap();
    let other = user.0.real(&store("other.tar.gz"));
    let mut tar = command("tar", ["-czf".as_ref(), other.as_os_str(), "manifest.json".as_ref()]);
    tar.current_dir(user.path("data"));
    stdout_of(tar);
    fs::write(
        user.path("graph.json"),
        json!([{ "path": store("other.tar.gz"), "references": [], "narSize": 1 }]).to_string(),
    )
    .unwrap();
    user.ok(&["plan", "--store-root", ".", "--graph", "graph.json", &store("other.tar.gz")]);
}

#[test]
fn links_with_a_slash_behind() {
    let user = User::new();
    let app = user.package("app", &["app"]);
    symlink(&app, user.path("result")).unwrap();
    symlink("result", user.path("again")).unwrap();
    // A directory is there on the user's machine.
    let conf = |arguments: &[&str]| {
        let all =
            [&["plan", "--store-root", ".", "--graph", "graph.json", "--name", "x", "--tag", "1"], arguments]
                .concat();
        serde_json::from_str::<Value>(&user.ok(&all)).unwrap()
    };
    let expected = conf(&[&app]);
    for name in [
        "result",
        "result/",
        "./result",
        "./result//",
        "again",
        "./again/",
        "result/bin/app",
        &format!("{app}/"),
    ] {
        assert_eq!(conf(&[name]), expected, "{name}");
    }
    let expected = conf(&["--contents", &app]);
    for name in ["result", "./result/", "again/"] {
        assert_eq!(conf(&["--contents", name]), expected, "{name}");
    }
    assert_eq!(conf(&["--contents", "result/share/"]), conf(&["--contents", &format!("{app}/share")]));
}

/// Files and directories that say no form.
#[test]
fn bare_files() {
    let user = User::new();
    let id = user.images();
    for name in ["image.tar", "./image.tar.gz", "image.oci.tar", "layout", "./layout/", "conf.json"] {
        let store: &[&str] = if name == "conf.json" { &["--store-root", "."] } else { &[] };
        assert_eq!(user.id(&[&[name], store].concat()), id, "{name}");
        user.ok(&[&["verify", name], store].concat());
        user.ok(&[&["copy", "-q", name, "docker-archive:new.tar"], store].concat());
        assert_eq!(user.id(&["new.tar"]), id, "{name}");
        user.ok(&[&["stream", "-q", name, "-o", "new.tar"], store].concat());
        assert_eq!(user.id(&["new.tar"]), id, "{name}");
        user.ok(&[&["merge", "-q", name, "image.tar", "-o", "new.tar"], store].concat());
        user.ok(&[&["export", name, "-o", "new.tar"], store].concat());
    }
    fs::create_dir(user.path("directory")).unwrap();
    fs::write(user.path("text"), "hello").unwrap();
    let whole = fs::read(user.path("image.tar")).unwrap();
    fs::write(user.path("cut.tar"), &whole[..whole.len() / 2]).unwrap();
    let kinds =
        "hint: an image is a conf, a store path, a docker-archive, an OCI layout or an archive of one";
    for (name, expected) in [
        ("directory", format!("directory is a directory, but no OCI layout\n{kinds}")),
        ("cut.tar", format!("cut.tar is an archive, but holds no image, or is cut short\n{kinds}")),
        ("gone", "cannot read gone: No such file or directory (os error 2)".to_owned()),
        ("text", "text is not JSON: expected value at line 1 column 1\nhint: it must be a conf.json as dockerTools.streamLayeredImage writes it".to_owned()),
    ] {
        for verb in [&["inspect"][..], &["verify"], &["copy", "oci:new"]] {
            user.check(&[&verb[..1], &[name], &verb[1..]].concat(), 1, &format!("strake: error: {expected}"));
        }
    }
}

/// Images on stdin, from a pipe and from a file.
#[test]
fn images_on_stdin() {
    let user = User::new();
    let id = user.images();
    let piped = |arguments: &[&str], file: &str| {
        let mut cat = command("cat", [user.path(file)]);
        let mut cat = cat.stdout(Stdio::piped()).spawn().unwrap();
        let ran = user.fed(arguments, cat.stdout.take().unwrap());
        cat.wait().unwrap();
        ran
    };
    for (name, source) in [
        ("image.tar", "-"),
        ("image.tar.gz", "-"),
        ("image.oci.tar", "-"),
        ("image.tar", "docker-archive:/dev/stdin"),
        ("image.tar.gz", "docker-archive:/dev/stdin"),
        ("image.oci.tar", "oci-archive:/dev/stdin"),
        ("image.tar", "/dev/stdin"),
        ("conf.json", "-"),
    ] {
        for arguments in [
            &["inspect", source][..],
            &["verify", source],
            &["copy", "-q", source, "docker-archive:new.tar", "oci:new"],
            &["stream", "-q", source, "-o", "new.tar"],
        ] {
            if arguments[0] == "stream" && source.contains(':') {
                continue;
            }
            let arguments = [arguments, &["--store-root", "."]].concat();
            for ran in
                [piped(&arguments, name), user.fed(&arguments, fs::File::open(user.path(name)).unwrap())]
            {
                assert_eq!(ran.code, Some(0), "{arguments:?} {name}: {}", ran.stderr);
                match arguments[0] {
                    "inspect" => assert!(text(&ran.stdout).contains(&id), "{}", text(&ran.stdout)),
                    "verify" => {}
                    _ => assert_eq!(user.id(&["new.tar"]), id),
                }
                let _ = fs::remove_dir_all(user.path("new"));
            }
        }
    }
    fs::write(user.path("text"), "hello").unwrap();
    fs::write(user.path("empty"), "").unwrap();
    for name in ["text", "empty"] {
        piped(&["inspect", "-"], name).failed(&["stdin is not JSON", "hint:"]);
        piped(&["inspect", "docker-archive:/dev/stdin"], name).failed(&["docker-archive:/dev/stdin"]);
    }
    let mut tar = command("tar", ["-cf", "other.tar", "text"]);
    tar.current_dir(user.0.root());
    stdout_of(tar);
    piped(&["inspect", "-"], "other.tar")
        .failed(&["stdin is an archive, but holds no image", "hint: an image is"]);
}

/// Whatever takes a conf takes store paths.
#[test]
fn store_paths_in_place_of_confs() {
    let user = User::new();
    let app = user.package("app", &["app"]);
    let graph = ["--store-root", ".", "--graph", "graph.json"];
    let plan = [&graph[..], &["--entrypoint", "app", "--contents", &app]].concat();
    fs::write(user.path("plan.json"), user.ok(&[&["plan", &app], &plan[..]].concat())).unwrap();
    for verb in
        [&["stream", "-q", "-o", "new"][..], &["describe", "-q", "-o", "new"], &["export", "-o", "new"]]
    {
        user.ok(&[verb, &["--store-root", ".", "plan.json"]].concat());
        let expected = fs::read(user.path("new")).unwrap();
        user.ok(&[verb, &[&app], &plan].concat());
        assert!(fs::read(user.path("new")).unwrap() == expected, "{verb:?}");
        // An existing plan is not planned again.
        let again = user.run(&[verb, &["--store-root", ".", "plan.json", "--entrypoint", "app"]].concat());
        again.refused(&["plan.json is a conf", "hint: give what the image is to be"]);
    }
    user.images();
    let said = "strake: error: docker-archive:image.tar is a finished image, whose layers have digests\nhint: strake describe takes a conf, or store paths";
    user.check(&["describe", "image.tar"], 1, said);
}
