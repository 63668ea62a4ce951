//! Documents as programs write them today and wrote them ten years ago. All of them are right.

use serde_json::{Value, json};

use crate::fixture::{Blobs, CONFIG, INDEX, LAYER, MANIFEST, diff_ids, gzip, layer, with};

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

impl Blobs {
    /// The descriptor of an image with this config, but for its rootfs, and one layer, in the OCI's form or Docker's.
    fn image(&self, mut config: Value, is_docker: bool) -> Value {
        config["rootfs"] = json!({ "type": "layers", "diff_ids": diff_ids(&["one"]) });
        let gzip_layer = format!("{LAYER}+gzip");
        let [manifest, of_config, of_layer] = if is_docker {
            [DOCKER_MANIFEST, DOCKER_CONFIG, DOCKER_LAYER]
        } else {
            [MANIFEST, CONFIG, &gzip_layer]
        };
        let config = self.put(of_config, config.to_string().as_bytes());
        let layers = [self.put(of_layer, &gzip(&layer("one")))];
        let text = json!({ "schemaVersion": 2, "mediaType": manifest, "config": config, "layers": layers });
        self.put(manifest, text.to_string().as_bytes())
    }

    /// Something that is no image.
    fn artifact(&self, of_config: &str, of_layer: &str, more: &Value) -> Value {
        let (config, layer) = (self.put(of_config, b"{}"), self.put(of_layer, b"{\"payload\": 1}"));
        let mut text =
            json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] });
        more.as_object().unwrap().iter().for_each(|(key, value)| text[key] = value.clone());
        self.put(MANIFEST, text.to_string().as_bytes())
    }

    /// Lists these in an index, and that in the layout.
    fn listed(self, entries: &[Value], of_type: &str) -> Self {
        let text = json!({ "schemaVersion": 2, "mediaType": of_type, "manifests": entries });
        let index = self.put(of_type, text.to_string().as_bytes());
        self.index(json!({ "schemaVersion": 2, "manifests": [index] }).to_string().as_bytes());
        self
    }
}

fn linux(architecture: &str) -> Value {
    json!({ "architecture": architecture, "os": "linux" })
}

/// Configs in Docker's images, but for their rootfs, and who has written them.
fn configs_of_docker() -> Vec<(&'static str, Value)> {
    vec![
        (
            "Docker 1.10, of 2016",
            json!({
                "architecture": "amd64",
                "config": { "Hostname": "8d8bb9e0e5ee", "Domainname": "", "User": "", "AttachStdin": false, "AttachStdout": false,
                    "AttachStderr": false, "ExposedPorts": null, "PublishService": "", "Tty": false, "OpenStdin": false,
                    "StdinOnce": false, "Env": null, "Cmd": ["/bin/sh"], "Image": "sha256:aa", "Volumes": null,
                    "VolumeDriver": "", "WorkingDir": "", "Entrypoint": null, "NetworkDisabled": false, "MacAddress": "",
                    "OnBuild": null, "Labels": null },
                "container": "e0a4d1bb8ec0",
                "container_config": { "Hostname": "8d8bb9e0e5ee", "Cmd": ["/bin/sh", "-c", "#(nop) CMD [\"/bin/sh\"]"], "Labels": {} },
                "created": "2016-03-18T18:22:48.810791943Z",
                "docker_version": "1.9.1",
                "history": null,
                "os": "linux",
                "Size": 0,
                "parent": "",
            }),
        ),
        (
            "Docker, with a history",
            json!({
                "architecture": "amd64", "os": "linux", "created": "2016-12-27T18:17:25.702182968Z",
                "history": [
                    { "created": "2016-12-27T18:17:24.9Z", "created_by": "/bin/sh -c #(nop) ADD file" },
                    { "created": "2016-12-27T18:17:25Z", "created_by": "/bin/sh -c #(nop)  CMD [\"sh\"]", "empty_layer": true },
                ],
                "config": { "StopTimeout": 10, "Shell": ["/bin/sh", "-c"], "ArgsEscaped": true },
            }),
        ),
        (
            "kaniko",
            json!({
                "architecture": "amd64", "author": "kaniko", "created": "0001-01-01T00:00:00Z", "os": "linux",
                "docker_version": "", "container": "",
                "history": [{ "author": "kaniko", "created": "0001-01-01T00:00:00Z", "created_by": "COPY a b" }],
                "config": { "Hostname": "", "AttachStdin": false, "Tty": false, "Volumes": { "/data": {} }, "ExposedPorts": { "80/tcp": {} } },
            }),
        ),
        (
            "jib",
            json!({
                "created": "1970-01-01T00:00:00Z", "architecture": "amd64", "os": "linux",
                "config": { "Env": [], "Entrypoint": ["java"], "ExposedPorts": {}, "Labels": {}, "Volumes": {} },
                "history": [{ "created": "1970-01-01T00:00:00Z", "author": "Jib", "created_by": "jib-maven-plugin:3.4.0", "comment": "dependencies" }],
            }),
        ),
        (
            "Windows",
            json!({
                "architecture": "amd64", "os": "windows", "os.version": "10.0.17763.5820", "os.features": ["win32k"],
                "config": { "Cmd": ["c:\\windows\\system32\\cmd.exe"] }, "created": "2024-05-06T10:00:00.5-07:00",
            }),
        ),
    ]
}

/// Those in images of the OCI's form.
fn configs_of_the_oci() -> Vec<(&'static str, Value)> {
    vec![
        ("nothing but what is needed", linux("amd64")),
        (
            "BuildKit",
            json!({
                "architecture": "arm64", "os": "linux", "variant": "v8", "created": "2024-05-22T18:18:11.052709452Z",
                "config": { "Env": ["PATH=/bin"], "Cmd": ["sh"], "ArgsEscaped": true, "OnBuild": null,
                    "Healthcheck": { "Test": ["CMD-SHELL", "true"], "Interval": 5_000_000_000_u64, "StartInterval": 1 } },
                "history": [
                    { "created": "2024-05-22T18:18:11.052709452Z", "created_by": "COPY / / # buildkit", "comment": "buildkit.dockerfile.v0" },
                    { "created": "2024-05-22T18:18:11.052709452Z", "created_by": "CMD [\"sh\"]", "comment": "buildkit.dockerfile.v0", "empty_layer": true },
                ],
                "moby.buildkit.cache.v0": "e30=", "moby.buildkit.buildinfo.v1": "e30=",
            }),
        ),
        (
            "buildah",
            json!({
                "created": "2023-11-09T10:11:12.123456789Z", "architecture": "amd64", "os": "linux",
                "config": { "Env": ["PATH=/bin"], "Labels": { "io.buildah.version": "1.33.0", "IO.Buildah.version": "x" } },
                "history": [{ "created": "2023-11-09T10:11:12.1Z", "created_by": "/bin/sh -c #(nop) COPY dir", "author": "a", "comment": "FROM scratch" }],
            }),
        ),
        (
            "ko",
            json!({
                "architecture": "amd64", "author": "github.com/ko-build/ko", "created": "1970-01-01T00:00:00Z", "os": "linux",
                "history": [{ "author": "ko", "created": "0001-01-01T00:00:00Z", "created_by": "ko build ko://x", "comment": "kodata contents, at $KO_DATA_PATH" }],
                "config": { "Cmd": null, "Entrypoint": ["/ko-app/x"], "Env": ["KO_DATA_PATH=/var/run/ko"] },
            }),
        ),
        (
            "nix2container",
            json!({
                "created": "0001-01-01T00:00:00Z", "architecture": "amd64", "os": "linux", "config": { "entrypoint-x": 1 },
                "history": [{ "created_by": "nix2container" }],
            }),
        ),
        (
            "dockerTools",
            json!({
                "created": "1970-01-01T00:00:01+00:00", "architecture": "amd64", "os": "linux", "config": { "Cmd": ["/bin/sh"] },
                "history": [{ "created": "1970-01-01T00:00:01+00:00", "comment": "store paths: ['/nix/store/a']" }],
            }),
        ),
        (
            "one that says what nobody knows",
            with(linux("amd64"), "x", json!({ "a": [{ "A": 1, "a": -1.5e3 }], "A": null })),
        ),
    ]
}

#[test]
fn configs() {
    let docker = configs_of_docker().into_iter().map(|(who, config)| (who, true, config));
    let oci = configs_of_the_oci().into_iter().map(|(who, config)| (who, false, config));
    for (who, is_docker, config) in docker.chain(oci) {
        let blobs = Blobs::new();
        let mut image = blobs.image(config, is_docker);
        blobs.index(json!({ "schemaVersion": 2, "manifests": [image] }).to_string().as_bytes());
        assert_eq!(blobs.problems(), [""; 0], "{who}");
        // Listed without what Go leaves out, and with what it writes for nothing.
        image["annotations"] = Value::Null;
        image["platform"] = json!({ "architecture": "", "os": "" });
        image["urls"] = json!([]);
        let blobs = blobs.listed(&[image], if is_docker { DOCKER_LIST } else { INDEX });
        assert_eq!(blobs.problems(), [""; 0], "{who}");
    }
}

/// The platform of an image in the index and in its config.
#[test]
fn platforms() {
    let says = |platform: Value, key: &str, value: Value| with(platform, key, value);
    for (listed, config) in [
        (linux("arm64"), says(linux("arm64"), "variant", json!("v8"))),
        (says(linux("arm64"), "variant", json!("v8")), linux("arm64")),
        (says(linux("amd64"), "variant", json!("v1")), linux("amd64")),
        (says(linux("arm"), "variant", json!("v6")), linux("arm")),
        (says(linux("arm"), "variant", json!("v5")), says(linux("arm"), "variant", json!(""))),
        (linux("arm"), says(linux("arm"), "variant", json!("v6"))),
        (says(linux("amd64"), "features", json!(["sse4"])), linux("amd64")),
        (says(linux("amd64"), "os.version", json!("")), linux("amd64")),
        (says(linux("amd64"), "os.features", json!(["a"])), linux("amd64")),
    ] {
        let blobs = Blobs::new();
        let image = with(blobs.image(config.clone(), false), "platform", listed.clone());
        assert_eq!(blobs.listed(&[image], INDEX).problems(), [""; 0], "{listed} {config}");
    }
}

/// Indexes with what stands beside images.
#[test]
fn indexes() {
    let blobs = Blobs::new();
    let amd64 = with(blobs.image(linux("amd64"), false), "platform", linux("amd64"));
    let arm = says_variant(&blobs, "arm", "v7");
    let unknown = json!({ "architecture": "unknown", "os": "unknown" });
    let about = json!({ "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": amd64["digest"] });
    let subject =
        json!({ "subject": { "mediaType": MANIFEST, "digest": amd64["digest"], "size": amd64["size"] } });
    let empty = json!({ "artifactType": "application/vnd.in-toto+json", "subject": subject["subject"],
        "config": { "mediaType": EMPTY, "digest": format!("sha256:{}", "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"), "size": 2, "data": "e30=" } });
    let attestation =
        |artifact: Value| with(with(artifact, "platform", unknown.clone()), "annotations", about.clone());
    let statement = "application/vnd.in-toto+json";
    let cases = [
        ("attestations of BuildKit", attestation(blobs.artifact(CONFIG, statement, &json!({})))),
        ("attestations as artifacts", attestation(blobs.artifact(EMPTY, statement, &empty))),
        (
            "a signature of cosign",
            blobs.artifact(CONFIG, "application/vnd.dev.cosign.simplesigning.v1+json", &json!({})),
        ),
        (
            "an attestation of cosign",
            blobs.artifact(CONFIG, "application/vnd.dsse.envelope.v1+json", &json!({})),
        ),
        (
            "a bundle of sigstore",
            with(
                blobs.artifact(EMPTY, "application/vnd.dev.sigstore.bundle.v0.3+json", &subject),
                "artifactType",
                json!("application/vnd.dev.sigstore.bundle.v0.3+json"),
            ),
        ),
        (
            "what is about something of another digest",
            blobs.artifact(
                EMPTY,
                "text/plain",
                &json!({ "subject": { "mediaType": MANIFEST, "digest": "sha512:ab", "size": 1 } }),
            ),
        ),
        (
            "a chart",
            blobs.artifact(
                "application/vnd.cncf.helm.config.v1+json",
                "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
                &json!({}),
            ),
        ),
        ("what oras pushes", blobs.artifact("application/vnd.unknown.config.v1+json", LAYER, &json!({}))),
        (
            "a disk for a platform",
            with(blobs.artifact(EMPTY, "application/zstd", &json!({})), "platform", linux("amd64")),
        ),
        ("the same blob as another thing", blobs.artifact(EMPTY, "text/plain; charset=utf-8", &json!({}))),
        ("a blob", blobs.put("application/octet-stream", b"bytes")),
        ("the image once more", with(amd64.clone(), "annotations", json!({ "a": "b" }))),
    ];
    let mut entries = vec![amd64.clone(), arm];
    let mut blobs = blobs;
    for (what, entry) in cases {
        blobs = blobs.listed(&[amd64.clone(), entry.clone()], INDEX);
        assert_eq!(blobs.problems(), [""; 0], "{what}");
        entries.push(entry);
    }
    // All together, in Docker's list, and in an index in the index.
    blobs = blobs.listed(&entries, DOCKER_LIST);
    assert_eq!(blobs.problems(), [""; 0]);
    let inner = json!({ "schemaVersion": 2, "manifests": entries });
    let inner = blobs.put(INDEX, inner.to_string().as_bytes());
    entries.push(inner);
    assert_eq!(blobs.listed(&entries, INDEX).problems(), [""; 0]);
}

fn says_variant(blobs: &Blobs, architecture: &str, variant: &str) -> Value {
    let platform = with(linux(architecture), "variant", json!(variant));
    with(blobs.image(platform.clone(), true), "platform", platform)
}

/// An image without layers, as Docker and go-containerregistry write it.
#[test]
fn no_layers() {
    for (rootfs, layers) in [
        (json!({ "type": "layers" }), json!([])),
        (json!({ "type": "layers", "diff_ids": null }), Value::Null),
        (json!({ "type": "layers", "diff_ids": [] }), json!([])),
    ] {
        let blobs = Blobs::new();
        let config = with(linux("amd64"), "rootfs", rootfs);
        let config = blobs.put(CONFIG, config.to_string().as_bytes());
        let text = json!({ "schemaVersion": 2, "config": config, "layers": layers });
        let image = blobs.put(MANIFEST, text.to_string().as_bytes());
        blobs.index(json!({ "schemaVersion": 2, "manifests": [image] }).to_string().as_bytes());
        assert_eq!(blobs.problems(), [""; 0], "{text}");
    }
}
