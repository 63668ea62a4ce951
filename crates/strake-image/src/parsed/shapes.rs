//! The structure of an image's documents: the keys that programs read, as they spell them.
//!
//! Format: the OCI image specification 1.1; Docker's "image manifest version 2, schema 2" and image specification v1.2; what
//! Docker, containerd, podman and go-containerregistry read besides. An unknown key may hold anything.

use super::json::Shape::{self, Any, Boolean, Integer, List, Map, Object, Text, Time};

/// The file `oci-layout`.
pub(crate) static LAYOUT: Shape = Object(&[("imageLayoutVersion", &Text)]);

/// A manifest or an index, so that neither has keys of the other in another case; `fsLayers`, `history`, `signatures` and
/// `blobs` are keys of Docker's schema 1 and of the artifact manifests that never got into the specification.
pub(crate) static MANIFEST: Shape = Object(&[
    ("schemaVersion", &Integer),
    ("mediaType", &Text),
    ("artifactType", &Text),
    ("config", &DESCRIPTOR),
    ("layers", &List(&DESCRIPTOR)),
    ("manifests", &List(&DESCRIPTOR)),
    ("subject", &DESCRIPTOR),
    ("annotations", &Map(&Text)),
    ("fsLayers", &Any),
    ("history", &Any),
    ("signatures", &Any),
    ("blobs", &Any),
]);

static DESCRIPTOR: Shape = Object(&[
    ("mediaType", &Text),
    ("digest", &Text),
    ("size", &Integer),
    ("urls", &List(&Text)),
    ("annotations", &Map(&Text)),
    ("data", &Text),
    ("artifactType", &Text),
    ("platform", &PLATFORM),
]);

static PLATFORM: Shape = Object(&[
    ("architecture", &Text),
    ("os", &Text),
    ("os.version", &Text),
    ("os.features", &List(&Text)),
    ("variant", &Text),
    ("features", &List(&Text)),
]);

/// A docker-archive's `manifest.json`.
pub(crate) static ARCHIVE: Shape = List(&Object(&[
    ("Config", &Text),
    ("RepoTags", &List(&Text)),
    ("Layers", &List(&Text)),
    ("Parent", &Text),
    ("LayerSources", &Map(&DESCRIPTOR)),
]));

/// An image's config. The container's configuration is only passed on, so it may be of any shape: see [`CONTAINER`].
pub(crate) static CONFIG: Shape = Object(&[
    ("architecture", &Text),
    ("os", &Text),
    ("os.version", &Text),
    ("os.features", &List(&Text)),
    ("variant", &Text),
    ("created", &Time),
    ("author", &Text),
    ("config", &Object(&[])),
    ("rootfs", &Object(&[("type", &Text), ("diff_ids", &List(&Text))])),
    ("history", &List(&HISTORY)),
    ("id", &Text),
    ("parent", &Text),
    ("comment", &Text),
    ("container", &Text),
    ("container_config", &Object(&[])),
    ("docker_version", &Text),
    ("Size", &Integer),
]);

static HISTORY: Shape = Object(&[
    ("created", &Time),
    ("created_by", &Text),
    ("author", &Text),
    ("comment", &Text),
    ("empty_layer", &Boolean),
]);

/// An image's config of which what a container is started with is read.
pub(crate) static CONTAINER: Shape = Object(&[(
    "config",
    &Object(&[
        ("Hostname", &Text),
        ("Domainname", &Text),
        ("User", &Text),
        ("AttachStdin", &Boolean),
        ("AttachStdout", &Boolean),
        ("AttachStderr", &Boolean),
        ("ExposedPorts", &Map(&Object(&[]))),
        ("Tty", &Boolean),
        ("OpenStdin", &Boolean),
        ("StdinOnce", &Boolean),
        ("Env", &List(&Text)),
        ("Cmd", &List(&Text)),
        ("Healthcheck", &HEALTHCHECK),
        ("ArgsEscaped", &Boolean),
        ("Image", &Text),
        ("Volumes", &Map(&Object(&[]))),
        ("WorkingDir", &Text),
        ("Entrypoint", &List(&Text)),
        ("NetworkDisabled", &Boolean),
        ("MacAddress", &Text),
        ("OnBuild", &List(&Text)),
        ("Labels", &Map(&Text)),
        ("StopSignal", &Text),
        ("StopTimeout", &Integer),
        ("Shell", &List(&Text)),
        ("Memory", &Integer),
        ("MemorySwap", &Integer),
        ("CpuShares", &Integer),
    ]),
)]);

static HEALTHCHECK: Shape = Object(&[
    ("Test", &List(&Text)),
    ("Interval", &Integer),
    ("Timeout", &Integer),
    ("StartPeriod", &Integer),
    ("StartInterval", &Integer),
    ("Retries", &Integer),
]);
