//! JSON as somebody could write it in the place of something else.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::json::{Json, quoted, unquoted};

/// Values, as they are written.
const VALUES: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "1",
    "2",
    "-1",
    "-0",
    "1.0",
    "2e0",
    "2E+0",
    "20e-1",
    "0x2",
    "02",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "1e400",
    "{}",
    "[]",
    "[null]",
    "[[]]",
    "[{}]",
    r#""""#,
    r#""x""#,
    r#""2""#,
    r#""\u0061\u006d\u0064\u0036\u0034""#,
    r#""amd64""#,
    r#""arm64""#,
    r#""linux""#,
    r#""v8""#,
    r#""layers""#,
    r#""layers\u0000""#,
    r#""\ud83d\ude00""#,
    r#""\ud800""#,
    r#""\udc00\ud800""#,
    r#""a\/b""#,
    "\"\u{2028}\"",
    "\"\u{7f}\"",
    "\"\u{1}\"",
    r#""\x41""#,
    r#""1.0.0""#,
    r#""1.0""#,
    r#""application/vnd.oci.image.manifest.v1+json""#,
    r#""application/vnd.oci.image.index.v1+json""#,
    r#""application/vnd.oci.image.config.v1+json""#,
    r#""application/vnd.oci.image.layer.v1.tar""#,
    r#""application/vnd.oci.image.layer.v1.tar+gzip""#,
    r#""application/vnd.docker.distribution.manifest.v2+json""#,
    r#""application/vnd.docker.image.rootfs.diff.tar.gzip""#,
    r#""APPLICATION/vnd.oci.image.layer.v1.tar""#,
    r#""2024-02-29T12:34:56Z""#,
    r#""2023-02-29T12:34:56Z""#,
    r#""2024-02-29t12:34:56z""#,
    r#""2024-02-29T12:34:56,5Z""#,
    r#""2024-02-29T12:34:56.1234567891Z""#,
    r#""2024-02-29T24:00:00Z""#,
    r#""2024-02-29T23:59:60Z""#,
    r#""2024-02-29T12:34:56+24:00""#,
    r#""2024-02-29T12:34:56-00:00""#,
    r#""2024-02-29T12:34:56+0100""#,
    r#""2024-02-29T1:34:56Z""#,
    r#""0000-01-01T00:00:00Z""#,
    r#""10000-01-01T00:00:00Z""#,
    r#""2024-02-29""#,
    r#""2024-02-29T12:34:56.Z""#,
    "[116,101]",
    r#""dGV4dA==""#,
    r#""dGV4dA""#,
    r#"{"a":"b"}"#,
    r#"{"a":{}}"#,
    r#"["a"]"#,
    "[1]",
    r#"{"a":"b","A":"c"}"#,
    r#"{"a":"b","a":"c"}"#,
    r#"{"architecture":"amd64","os":"linux"}"#,
    r#"{"Architecture":"arm64"}"#,
];

/// Keys that programs know somewhere.
pub(super) const KEYS: &[&str] = &[
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "subject",
    "annotations",
    "fsLayers",
    "history",
    "signatures",
    "blobs",
    "digest",
    "size",
    "urls",
    "data",
    "platform",
    "architecture",
    "os",
    "os.version",
    "os.features",
    "variant",
    "features",
    "imageLayoutVersion",
    "created",
    "author",
    "rootfs",
    "type",
    "diff_ids",
    "created_by",
    "comment",
    "empty_layer",
    "id",
    "parent",
    "container",
    "container_config",
    "docker_version",
    "Size",
    "Hostname",
    "Domainname",
    "User",
    "AttachStdin",
    "AttachStdout",
    "AttachStderr",
    "ExposedPorts",
    "Tty",
    "OpenStdin",
    "StdinOnce",
    "Env",
    "Cmd",
    "Healthcheck",
    "ArgsEscaped",
    "Image",
    "Volumes",
    "WorkingDir",
    "Entrypoint",
    "NetworkDisabled",
    "MacAddress",
    "OnBuild",
    "Labels",
    "StopSignal",
    "StopTimeout",
    "Shell",
    "Memory",
    "MemorySwap",
    "CpuShares",
    "Test",
    "Interval",
    "Timeout",
    "StartPeriod",
    "StartInterval",
    "Retries",
    "Config",
    "RepoTags",
    "Layers",
    "Parent",
    "LayerSources",
];

/// Keys under which all keys are data.
pub(super) const MAPS: &[&str] = &["annotations", "Labels", "Volumes", "ExposedPorts", "LayerSources"];

/// A change somewhere in a document.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// Another value.
    Set(&'static str),
    /// The value of another place.
    Copied(Index),
    /// In a list with itself, or as a string.
    Wrapped,
    Quoted,
    /// An object as a list of its values, or a list as an object.
    Turned,
    Removed,
    Swapped,
    /// The entry once more, with the key in another spelling and maybe another value.
    Again(Spelling, Option<&'static str>),
    /// The key in another spelling.
    Spelled(Spelling),
    /// A known key more, in a spelling.
    Added(&'static str, Spelling, &'static str),
    /// Before or behind all of it.
    Around(&'static str, &'static str),
}

/// How a key is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Spelling {
    Same,
    Escaped,
    Upper,
    Lower,
    Title,
    Folded,
    Other,
}

impl Spelling {
    fn of(self, key: &str) -> String {
        let mut characters = key.chars();
        match self {
            Self::Same => quoted(key),
            Self::Escaped => format!(
                "\"{}\"",
                key.chars().map(|it| format!("\\u{:04x}", u32::from(it))).collect::<Vec<_>>().concat()
            ),
            Self::Upper => quoted(&key.to_uppercase()),
            Self::Lower => quoted(&key.to_lowercase()),
            Self::Title => quoted(
                &characters
                    .next()
                    .map_or(String::new(), |first| first.to_uppercase().chain(characters).collect()),
            ),
            Self::Folded => quoted(&key.replace('k', "\u{212a}").replace('s', "\u{17f}")),
            // Letters that only look alike, or that only other languages fold.
            Self::Other => quoted(&key.replace('i', "\u{131}").replace('e', "\u{435}")),
        }
    }
}

pub(super) fn change() -> impl Strategy<Value = Change> {
    let spelling = || {
        use Spelling::{Escaped, Folded, Lower, Other, Same, Title, Upper};
        select(&[Same, Escaped, Upper, Lower, Title, Folded, Other])
    };
    let around = select(&[
        ("\u{feff}", ""),
        ("", "\0"),
        ("", "{}"),
        (" \t\r\n", "\n "),
        ("", ","),
        ("\u{a0}", ""),
        ("/**/", ""),
    ]);
    prop_oneof![
        6 => select(VALUES).prop_map(Change::Set),
        2 => any::<Index>().prop_map(Change::Copied),
        1 => Just(Change::Wrapped),
        1 => Just(Change::Quoted),
        1 => Just(Change::Turned),
        2 => Just(Change::Removed),
        1 => Just(Change::Swapped),
        3 => (spelling(), prop::option::of(select(VALUES))).prop_map(|(spelling, value)| Change::Again(spelling, value)),
        2 => spelling().prop_map(Change::Spelled),
        4 => (select(KEYS), spelling(), select(VALUES)).prop_map(|(key, spelling, value)| Change::Added(key, spelling, value)),
        1 => around.prop_map(|(before, behind)| Change::Around(before, behind)),
    ]
}

/// The text with changes at places.
pub(super) fn changed(text: &str, changes: &[(Index, Change)]) -> String {
    let mut document = Json::parse(text);
    let (mut before, mut behind) = ("", "");
    for (place, change) in changes {
        if let Change::Around(first, last) = change {
            (before, behind) = (first, last);
            continue;
        }
        let places = document.places();
        let path = place.get(&places);
        let copied = match change {
            Change::Copied(from) => found(&mut document, &places[from.index(places.len())]).cloned(),
            _ => None,
        };
        apply(&mut document, path, change, copied);
    }
    format!("{before}{}{behind}", document.text())
}

/// The value at a place, of two entries with one key that of the first.
fn found<'j>(document: &'j mut Json, path: &[String]) -> Option<&'j mut Json> {
    path.iter().try_fold(document, |value, step| match value {
        Json::Object(entries) => {
            let entry = entries.iter_mut().find(|(key, _)| unquoted(key) == *step);
            entry.map(|(_, value)| value)
        }
        Json::List(items) => items.get_mut(step.parse::<usize>().ok()?),
        Json::Raw(_) => None,
    })
}

fn apply(document: &mut Json, path: &[String], change: &Change, copied: Option<Json>) {
    let Some(value) = found(document, path) else { return };
    match change {
        Change::Set(text) => *value = Json::Raw((*text).to_owned()),
        Change::Copied(_) => *value = copied.unwrap_or(Json::Raw("null".to_owned())),
        Change::Wrapped => *value = Json::List(vec![value.clone()]),
        Change::Quoted => *value = Json::Raw(quoted(&value.text())),
        Change::Turned => {
            *value = match value.clone() {
                Json::Object(entries) => Json::List(entries.into_iter().map(|(_, value)| value).collect()),
                Json::List(items) => {
                    let numbered = items.into_iter().enumerate();
                    Json::Object(numbered.map(|(number, item)| (quoted(&number.to_string()), item)).collect())
                }
                raw @ Json::Raw(_) => raw,
            }
        }
        Change::Swapped => match value {
            Json::List(items) => items.reverse(),
            Json::Object(entries) => entries.reverse(),
            Json::Raw(_) => {}
        },
        Change::Added(key, spelling, new) => {
            if let Json::Object(entries) = value {
                entries.push((spelling.of(key), Json::Raw((*new).to_owned())));
            }
        }
        Change::Removed | Change::Again(..) | Change::Spelled(_) | Change::Around(..) => {
            of_entry(document, path, change);
        }
    }
}

fn of_entry(document: &mut Json, path: &[String], change: &Change) {
    let Some((key, above)) = path.split_last() else { return };
    let Some(above) = found(document, above) else { return };
    match (above, change) {
        (Json::List(items), Change::Removed) => drop(key.parse().map(|place: usize| items.remove(place))),
        (Json::Object(entries), change) => {
            let Some(place) = entries.iter().position(|(name, _)| unquoted(name) == *key) else {
                return;
            };
            match change {
                Change::Removed => drop(entries.remove(place)),
                Change::Spelled(spelling) => entries[place].0 = spelling.of(key),
                Change::Again(spelling, value) => {
                    let value =
                        value.map_or_else(|| entries[place].1.clone(), |text| Json::Raw(text.to_owned()));
                    entries.push((spelling.of(key), value));
                }
                _ => {}
            }
        }
        _ => {}
    }
}
