//! Engines that fail while an image is loaded: connections that are cut at any byte, wrong answers, and the messages.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use strake_testkit::certificates::Certificates;
use strake_testkit::command::{command, output_of, stdout_of, text};
use strake_testkit::peer::{Dockerd, require};
use strake_testkit::workspace;

use crate::load::{DATA, Images};
use crate::strake::{Ran, program, ran};

/// Loads the example into the Docker at this socket.
fn load(socket: &Path, more: &[&str]) -> Ran {
    let host = format!("unix://{}", socket.display());
    ran(output_of(&mut load_at(&host, more)))
}

fn load_at(host: &str, more: &[&str]) -> Command {
    let example = workspace().join("examples/hello");
    let mut strake = program();
    strake.args(["load", "--no-cache", "--to", "docker", "--store-root"]).arg(&example);
    strake.arg(example.join("conf.json")).args(more).env("DOCKER_HOST", host);
    strake.env_remove("DOCKER_TLS_VERIFY").env_remove("DOCKER_CONTEXT");
    strake
}

/// A daemon that answers by rote. `answer` gets a request's first line, and how many of these there have been.
struct Rote {
    socket: PathBuf,
    _directory: tempfile::TempDir,
}

impl Rote {
    fn start(answer: impl Fn(&str, u64) -> String + Send + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        thread::spawn(move || {
            let mut seen = std::collections::HashMap::<String, u64>::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let line = request(&mut stream);
                let path = line.split('?').next().unwrap_or_default().to_owned();
                let count = seen.entry(path).or_default();
                *count += 1;
                // A process that has ended needs no signal.
                let _ = stream.write_all(answer(&line, *count).as_bytes());
            }
        });
        Self { socket, _directory: directory }
    }
}

/// Reads a request to its end, and returns its first line.
fn request(stream: &mut UnixStream) -> String {
    let mut text = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        let got = stream.read(&mut buffer).unwrap_or(0);
        text.extend_from_slice(&buffer[..got]);
        let is_chunked =
            String::from_utf8_lossy(&text).to_ascii_lowercase().contains("transfer-encoding: chunked");
        let ended = if is_chunked { text.ends_with(b"0\r\n\r\n") } else { text.ends_with(b"\r\n\r\n") };
        if got == 0 || ended {
            break;
        }
    }
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned()
}

fn json(status: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

/// The answers of an engine without images, but for this answer to a load.
fn empty_engine(line: &str, load: &str) -> String {
    match line.split([' ', '?']).nth(1).unwrap_or_default() {
        "/images/json" => json("200 OK", "[]"),
        "/info" => json("200 OK", r#"{"DriverStatus":null}"#),
        "/images/load" => load.to_owned(),
        _ => json("404 Not Found", r#"{"message":"no such image"}"#),
    }
}

#[test]
fn an_engine_that_says_no_is_quoted() {
    for (answer, expected) in [
        (
            json(
                "200 OK",
                "{\"errorDetail\":{\"message\":\"write /x: no space left on device\"},\"error\":\"x\"}\r\n",
            ),
            &["write /x: no space left on device", "hint: make room"][..],
        ),
        (
            json("500 Internal Server Error", r#"{"message":"the graph driver is broken"}"#),
            &["the graph driver is broken"],
        ),
        (json("500 Internal Server Error", ""), &["HTTP 500"]),
        (json("200 OK", "{\"stream\":\"Loaded image: hello:1.0\"}\n"), &["but the image is not whole there"]),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{".to_owned(), &["cannot reach Docker at unix://"]),
        (String::new(), &["cannot reach Docker at unix://"]),
        ("nonsense".to_owned(), &["cannot reach Docker at unix://"]),
    ] {
        let engine = Rote::start(move |line, _| empty_engine(line, &answer));
        load(&engine.socket, &[]).failed(expected);
    }
}

#[test]
fn an_engine_that_lies_is_sent_everything() {
    // The first layer is missing, whatever it is sent.
    let example = workspace().join("examples/hello");
    let mut inspect = program();
    inspect.args(["inspect", "--json", "--store-root"]).arg(&example).arg(example.join("conf.json"));
    let about: serde_json::Value = serde_json::from_slice(&stdout_of(inspect)).unwrap();
    let digest = about["layers"][0]["diff_id"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
    let loads = Arc::new(AtomicU64::new(0));
    let engine = Rote::start({
        let loads = loads.clone();
        move |line, count| {
            if line.contains("/images/load") {
                loads.store(count, Ordering::Relaxed);
            }
            let error = format!("open /tmp/blobs/sha256/{digest}: no such file or directory");
            empty_engine(line, &json("200 OK", &format!("{{\"errorDetail\":{{\"message\":\"{error}\"}}}}\n")))
        }
    });
    load(&engine.socket, &[])
        .failed(&["has taken all layers, but the image is not whole there", "run this again"]);
    // A question, and everything.
    assert_eq!(loads.load(Ordering::Relaxed), 2);
}

#[test]
fn answers_that_make_no_sense() {
    for (path, body) in [("/images/json", "{}"), ("/images/json", "nonsense"), ("/info", "[")] {
        let engine =
            Rote::start(
                move |line, _| {
                    if line.contains(path) { json("200 OK", body) } else { empty_engine(line, "") }
                },
            );
        load(&engine.socket, &[]).failed(&["gives an answer that is not understood"]);
    }
}

#[test]
fn engines_that_are_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("socket");
    load(&socket, &[]).failed(&["cannot reach Docker at unix://", "hint: start the daemon"]);
    drop(UnixListener::bind(&socket).unwrap());
    load(&socket, &[]).failed(&["Connection refused", "hint: start the daemon"]);
    for (host, word) in [("tcp://127.0.0.1:1", "tcp://127.0.0.1:1"), ("npipe://x", "DOCKER_HOST"), ("", "")] {
        if !host.is_empty() {
            ran(output_of(&mut load_at(host, &[]))).failed(&[word]);
        }
    }
    // Docker's own command would not find its context either.
    let mut strake = load_at("", &[]);
    strake.env("DOCKER_CONTEXT", "gone").env("DOCKER_CONFIG", directory.path());
    ran(output_of(&mut strake)).failed(&["the Docker context \"gone\""]);
    let mut strake = load_at("ssh://nobody@nowhere", &[]);
    let bin = directory.path().join("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("ssh"), "#!/bin/sh\necho 'ssh: Could not resolve hostname nowhere' >&2\nexit 255\n")
        .unwrap();
    fs::set_permissions(bin.join("ssh"), fs::Permissions::from_mode(0o755)).unwrap();
    let run = ran(output_of(strake.env("PATH", &bin)));
    run.failed(&["cannot reach Docker at ssh://nobody@nowhere", "Could not resolve hostname nowhere"]);
    for (to, word) in
        [("podman", "cannot run podman"), ("containerd", "cannot run ctr"), ("kind", "cannot run docker")]
    {
        let mut strake = load_at("", &["--to", to]);
        ran(output_of(strake.env("PATH", "/nowhere"))).refused(&["cannot be used multiple times"]);
        let example = workspace().join("examples/hello");
        let mut strake = program();
        strake
            .args(["load", "--no-cache", "--to", to, "--store-root"])
            .arg(&example)
            .arg(example.join("conf.json"));
        let run = ran(output_of(strake.env("PATH", "/nowhere").env_remove("CONTAINER_ENGINE")));
        run.failed(&[word, "hint: install it"]);
    }
}

#[test]
fn what_cannot_be_done_is_said_first() {
    // Nobody is asked anything.
    let host = "unix:///nowhere";
    for (words, expected) in [
        (&["--via", "sudo"][..], "--via: Docker is reached by its API"),
        (&["--run", "--via", "sudo"], "--via: Docker is reached by its API"),
    ] {
        ran(output_of(&mut load_at(host, words))).refused(&[expected]);
    }
    let example = workspace().join("examples/hello");
    for (words, expected) in [
        (&["--to", "kind", "--run"][..], "--run: kind=kind is a cluster"),
        (&["--to", "k3s", "--run"], "--run: k3s is a cluster"),
        (&["--to", "containerd", "--run", "--", "x"], "--run: ctr takes arguments"),
    ] {
        let mut strake = program();
        strake
            .args(["load", "--no-cache", "--store-root"])
            .arg(&example)
            .arg(example.join("conf.json"))
            .args(words);
        ran(output_of(&mut strake)).refused(&[expected]);
    }
    // An image that has no name, which no engine would find again.
    let directory = tempfile::tempdir().unwrap();
    let mut copy = program();
    copy.args(["copy", "--no-cache", "--store-root"])
        .arg(&example)
        .arg(example.join("conf.json"))
        .arg("oci:layout");
    stdout_of(std::mem::replace(copy.current_dir(directory.path()), Command::new("true")));
    let index = directory.path().join("layout/index.json");
    let mut value: serde_json::Value = serde_json::from_slice(&fs::read(&index).unwrap()).unwrap();
    value["manifests"][0].as_object_mut().unwrap().remove("annotations");
    fs::write(&index, value.to_string()).unwrap();
    let mut strake = program();
    strake.args(["load", "--no-cache", "oci:layout", "--to", "docker"]).current_dir(directory.path());
    ran(output_of(strake.env("DOCKER_HOST", host))).failed(&["the image has no name", "-t NAME:TAG"]);
}

#[test]
fn errors_of_every_question() {
    for (path, answer) in [
        ("/images/json", json("500 Internal Server Error", r#"{"message":"the plugin denies"}"#)),
        ("/info", json("403 Forbidden", r#"{"message":"the plugin denies"}"#)),
    ] {
        let engine = Rote::start(
            move |line, _| {
                if line.contains(path) { answer.clone() } else { empty_engine(line, "") }
            },
        );
        load(&engine.socket, &[]).failed(&["the plugin denies"]);
    }
}

#[test]
fn places_that_are_none() {
    let example = workspace().join("examples/hello");
    for (words, expected) in [
        (&["docker-daemon:Hello:1"][..], "is not a name that an image can have"),
        (&["containers-storage:[vfs@/x]hello:1"], "is not a name that an image can have"),
    ] {
        let mut strake = program();
        strake
            .args(["copy", "--no-cache", "--store-root"])
            .arg(&example)
            .arg(example.join("conf.json"))
            .args(words);
        ran(output_of(&mut strake)).refused(&[expected]);
    }
    let mut strake = program();
    ran(output_of(strake.args(["inspect", "kind:hello:1"]))).refused(&["can only be a destination"]);
    let mut strake = program();
    ran(output_of(strake.args(["load", "--to", "lxc", "x"]))).refused(&["--to", "docker, podman"]);
}

/// A way to a daemon on which something is done before the load of this number.
fn before_load(to: PathBuf, number: u64, act: impl Fn() + Send + 'static) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    thread::spawn(move || {
        let mut loads = 0;
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut daemon = UnixStream::connect(&to).unwrap();
            let mut first = [0; 512];
            let got = client.read(&mut first).unwrap();
            if first.starts_with(b"POST /images/load") {
                loads += 1;
                if loads == number {
                    act();
                }
            }
            daemon.write_all(&first[..got]).unwrap();
            let (mut answers, mut answered) = (daemon.try_clone().unwrap(), client.try_clone().unwrap());
            let answering = thread::spawn(move || {
                let _ = std::io::copy(&mut answers, &mut answered);
                let _ = answered.shutdown(Shutdown::Both);
            });
            thread::spawn(move || {
                let _ = std::io::copy(&mut client, &mut daemon);
                let _ = daemon.shutdown(Shutdown::Both);
                let _ = answering.join();
            });
        }
    });
    (directory, socket)
}

#[test]
#[ignore = "needs root, dockerd"]
fn layers_that_are_deleted_after_the_question() {
    let docker = Dockerd::start();
    let images = Images::new();
    let (one, two) = (images.conf("one", [0; DATA]), images.conf("two", [0, 0, 0, 0, 0, 1]));
    let host = docker.host();
    let load = |host: &str, conf: &Path| {
        let mut strake = images.strake(&["load", "--to", "docker", "--json", conf.to_str().unwrap()]);
        let run = ran(output_of(strake.env("DOCKER_HOST", host)));
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let event = run.stderr.lines().rfind(|line| line.contains("\"loaded\"")).unwrap().to_owned();
        serde_json::from_str::<serde_json::Value>(&event).unwrap()["layers_sent"].clone()
    };
    load(&host, &one);
    let socket = PathBuf::from(host.trim_start_matches("unix://"));
    // By its address: the thread outlives the test, and must not keep the daemon.
    let prune = {
        let host = host.clone();
        let words = ["image", "prune", "--all", "--force"];
        move || drop(stdout_of(command(require("docker"), ["-H", &host].into_iter().chain(words))))
    };
    // The first is the question.
    let (_directory, through) = before_load(socket, 2, prune);
    assert_eq!(load(&format!("unix://{}", through.display()), &two), DATA + 2);
    let said = stdout_of(docker.docker(["run", "--rm", "--network=none", "team/app:1"]));
    assert_eq!(text(&said), Images::printed([0, 0, 0, 0, 0, 1]));

    // Another user, who may not use the socket.
    let example = workspace().join("examples/hello");
    let mut other = command("setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups"]);
    other.arg(env!("CARGO_BIN_EXE_strake")).args(["load", "--no-cache", "--to", "docker", "--store-root"]);
    let other = other.arg(&example).arg(example.join("conf.json")).env("DOCKER_HOST", &host).current_dir("/");
    ran(output_of(other)).failed(&["Permission denied", "hint: add yourself to the group"]);
}

/// A connection to a daemon that is cut after this number of sent bytes.
fn cut(to: PathBuf, after: u64) -> (tempfile::TempDir, PathBuf, Arc<AtomicU64>) {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    let sent = Arc::new(AtomicU64::new(0));
    let total = sent.clone();
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            let Ok(daemon) = UnixStream::connect(&to) else { continue };
            let (mut answers, mut answered) = (daemon.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || {
                let _ = std::io::copy(&mut answers, &mut answered);
                let _ = answered.shutdown(Shutdown::Both);
            });
            let (mut client, mut daemon, total) = (client, daemon, total.clone());
            thread::spawn(move || {
                let mut buffer = [0; 512];
                while let Ok(got @ 1..) = client.read(&mut buffer) {
                    let before = total.fetch_add(got as u64, Ordering::SeqCst);
                    let rest = usize::try_from(after.saturating_sub(before)).unwrap_or(usize::MAX);
                    let _ = daemon.write_all(&buffer[..got.min(rest)]);
                    if got >= rest {
                        let _ = daemon.shutdown(Shutdown::Both);
                        let _ = client.shutdown(Shutdown::Both);
                        return;
                    }
                }
            });
        }
    });
    (directory, socket, sent)
}

#[test]
#[ignore = "needs root, dockerd"]
fn a_connection_that_is_cut_at_any_byte() {
    let docker = Dockerd::start();
    let socket = PathBuf::from(docker.host().trim_start_matches("unix://"));
    let remove = || drop(output_of(&mut docker.docker(["rmi", "-f", "hello:1.0"])));
    let (_directory, through, sent) = cut(socket.clone(), u64::MAX);
    let run = load(&through, &[]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let all = sent.load(Ordering::SeqCst);
    assert!(all > 20_000, "{all}");
    let id = text(&stdout_of(docker.docker(["image", "inspect", "--format", "{{.Id}}", "hello:1.0"])));
    for part in 0..24 {
        remove();
        let (_directory, through, _) = cut(socket.clone(), all * part / 24);
        let run = load(&through, &[]);
        // The complete part may be all that was needed.
        if run.code != Some(0) {
            run.failed(&["Docker at unix://"]);
            assert!(
                !output_of(&mut docker.docker(["image", "inspect", "hello:1.0"])).status.success()
                    || part > 20
            );
            assert_eq!(load(&socket, &[]).code, Some(0));
        }
        let found = stdout_of(docker.docker(["image", "inspect", "--format", "{{.Id}}", "hello:1.0"]));
        assert_eq!(text(&found), id);
        let said = stdout_of(docker.docker(["run", "--rm", "--network=none", "hello:1.0"]));
        assert!(text(&said).starts_with("Hello from an image"));
    }
}

#[test]
#[ignore = "needs root, dockerd"]
fn docker_by_ssh_tcp_and_contexts() {
    let docker = Dockerd::start();
    let directory = tempfile::tempdir().unwrap();
    let bin = directory.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let script = format!(
        "#!/bin/sh\n[ \"$*\" = '-o ConnectTimeout=30 -T -p 2222 -- me@there docker system dial-stdio' ] || exit 9\n\
         exec {} -H {} system dial-stdio\n",
        require("docker").display(),
        docker.host()
    );
    fs::write(bin.join("ssh"), script).unwrap();
    fs::set_permissions(bin.join("ssh"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let is_there = |name: &str| {
        assert!(output_of(&mut docker.docker(["image", "inspect", name])).status.success(), "{name}");
    };

    let run = ran(output_of(load_at("ssh://me@there:2222", &["-t", "ssh:1"]).env("PATH", &path)));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    is_there("ssh:1");

    // TLS, with a client's certificate and without.
    let certificates = Certificates::new();
    let file = |name: &str| certificates.file(name).display().to_string();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let host = format!("tcp://127.0.0.1:{port}");
    let (ca, certificate, key) = (file("ca.crt"), file("server.crt"), file("server.key"));
    let words = ["--tlsverify", "--tlscacert", &ca, "--tlscert", &certificate, "--tlskey", &key, "-H", &host];
    let secured = Dockerd::start_with(words);
    let files = directory.path().join("tls");
    fs::create_dir(&files).unwrap();
    fs::copy(file("ca.crt"), files.join("ca.pem")).unwrap();
    let tls = |name: &str| {
        let mut strake = load_at(&host, &["-t", name]);
        ran(output_of(strake.env("DOCKER_TLS_VERIFY", "1").env("DOCKER_CERT_PATH", &files)))
    };
    tls("tls:1").failed(&["cannot reach Docker at tcp://127.0.0.1", "Certificate"]);
    fs::copy(file("client.cert"), files.join("cert.pem")).unwrap();
    fs::copy(file("client.key"), files.join("key.pem")).unwrap();
    let run = tls("tls:1");
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    stdout_of(secured.docker(["image", "inspect", "tls:1"]));

    let config = directory.path().join("config");
    let mut create = command(require("docker"), ["--config"]);
    create
        .arg(&config)
        .args(["context", "create", "blue", "--docker"])
        .arg(format!("host={}", docker.host()));
    stdout_of(create);
    for variables in [&[("DOCKER_CONTEXT", "blue")][..], &[]] {
        if variables.is_empty() {
            let mut uses = command(require("docker"), ["--config"]);
            uses.arg(&config).args(["context", "use", "blue"]);
            stdout_of(uses);
        }
        let mut strake = load_at("", &["-t", "context:1"]);
        let run = ran(output_of(strake.env("DOCKER_CONFIG", &config).envs(variables.iter().copied())));
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        is_there("context:1");
        stdout_of(docker.docker(["rmi", "context:1"]));
    }
}
