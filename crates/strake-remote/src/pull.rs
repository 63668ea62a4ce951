//! Images in registries.
//!
//! Protocol: the OCI distribution specification 1.1, "pull".

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use strake_image::manifest::{self as listing, Blobs, FoundBlob, Listed, Opened};
use strake_image::parsed::{OpenError, ParsedImage};
use strake_image::recipe::{Remote, Source};
use strake_image::{Descriptor, Digest, Platform, PlatformPick};
use ureq::http::Method;

use crate::answer::header;
use crate::call::{Call, Payload, Scope};
use crate::error::RemoteError;
use crate::manifests::Pulled;
use crate::reference::Reference;
use crate::repository::Repository;
use crate::retry::{self, ATTEMPTS};
use crate::transport::Exchange;

/// The platforms, as `os/architecture`, that an image in a registry is there for, with each one's manifest's digest.
pub fn pins(repository: &Arc<Repository>, of: &Reference) -> Result<Vec<(String, Digest)>, OpenError> {
    let found = find(repository, of)?;
    let blobs = RegistryBlobs(repository.clone());
    if let Some(entries) = listing::entries(&found.descriptor, &found.text)? {
        return Ok(entries.iter().map(|entry| (entry.platform_name(), entry.digest)).collect());
    }
    let digest = found.descriptor.digest;
    let image = listing::open(&blobs, found, &PlatformPick::Preferred(Platform::unknown()))?;
    let platform = Platform::of_config(&image.config.text).unwrap_or_else(Platform::unknown);
    Ok(vec![(platform.to_string(), digest)])
}

/// The digest of what is behind a name in a registry.
pub fn digest(repository: &Repository, of: &Reference) -> Result<Digest, RemoteError> {
    Ok(manifest(repository, of)?.digest)
}

/// The manifest or index that is behind a name in a registry.
pub fn manifest(repository: &Repository, of: &Reference) -> Result<Pulled, RemoteError> {
    let wanted = of.wanted();
    repository.manifest(&wanted)?.ok_or_else(|| not_found(repository, &wanted))
}

/// Opens an image in a registry. Where it is there for several platforms, the one that is meant; see [`listing::open`].
pub fn open(
    repository: Arc<Repository>,
    of: &Reference,
    pick: &PlatformPick,
) -> Result<ParsedImage, OpenError> {
    let found = find(&repository, of)?;
    open_found(repository, found, pick)
}

/// The same of what was found already.
pub(crate) fn open_found(
    repository: Arc<Repository>,
    found: Listed,
    pick: &PlatformPick,
) -> Result<ParsedImage, OpenError> {
    listing::open(&RegistryBlobs(repository), found, pick)
}

/// Opens an image in a registry, or where it is there for several platforms all of them.
pub fn open_all(repository: Arc<Repository>, of: &Reference) -> Result<Opened, OpenError> {
    let found = find(&repository, of)?;
    listing::open_all(&RegistryBlobs(repository), found)
}

/// Fetches what a name leads to.
pub(crate) fn find(repository: &Repository, of: &Reference) -> Result<Listed, OpenError> {
    let wanted = of.wanted();
    let pulled = repository.manifest(&wanted).map_err(fetch)?;
    let pulled = pulled.ok_or_else(|| fetch(not_found(repository, &wanted)))?;
    let tags = match of.digest {
        None => vec![Reference { tag: of.tag_or_default().map(str::to_owned), ..of.clone() }.to_string()],
        Some(_) => Vec::new(),
    };
    Ok(Listed { tags, ..listed(pulled) })
}

/// The fetched image, without names.
pub(crate) fn listed(pulled: Pulled) -> Listed {
    let descriptor = Descriptor::new(pulled.media_type, pulled.digest, pulled.text.len() as u64);
    Listed { descriptor, text: pulled.text, tags: Vec::new() }
}

fn not_found(repository: &Repository, wanted: &str) -> RemoteError {
    RemoteError::NotFound {
        host: repository.host().to_owned(),
        what: format!("get {}", repository.image(wanted)),
        message: String::new(),
    }
}

pub(crate) fn fetch(error: RemoteError) -> OpenError {
    OpenError::Fetch(Box::new(error))
}

/// The blobs of a repository.
pub(crate) struct RegistryBlobs(pub(crate) Arc<Repository>);

impl Blobs for RegistryBlobs {
    fn json(&self, &Descriptor { digest, size, .. }: &Descriptor) -> Result<Vec<u8>, OpenError> {
        of_size(digest, size, self.0.json_blob(digest).map_err(fetch)?)
    }

    fn manifest(&self, &Descriptor { digest, size, .. }: &Descriptor) -> Result<Vec<u8>, OpenError> {
        let wanted = digest.to_string();
        let pulled = self.0.manifest(&wanted).map_err(fetch)?;
        of_size(digest, size, pulled.ok_or_else(|| fetch(not_found(&self.0, &wanted)))?.text)
    }

    fn layer(&self, &Descriptor { digest, size, .. }: &Descriptor) -> FoundBlob {
        let name = format!("docker://{}", self.0.image(&digest.to_string())).into();
        let blob = RemoteBlob { repository: self.0.clone(), digest, size, name };
        FoundBlob { source: Source::Remote(Arc::new(blob)), problem: None }
    }
}

fn of_size(digest: Digest, size: u64, text: Vec<u8>) -> Result<Vec<u8>, OpenError> {
    match text.len() as u64 {
        found if found == size => Ok(text),
        found => Err(OpenError::Size { digest, expected: size, found }),
    }
}

/// A blob in a registry.
#[derive(Debug)]
struct RemoteBlob {
    repository: Arc<Repository>,
    digest: Digest,
    size: u64,
    name: PathBuf,
}

impl Remote for RemoteBlob {
    fn name(&self) -> &Path {
        &self.name
    }

    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        self.open_at(0)
    }

    fn open_at(&self, offset: u64) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(Download { blob: self, position: offset, body: None, resumed: offset, failures: 0 }))
    }

    fn repository(&self) -> (&str, &str) {
        (self.repository.host(), self.repository.name())
    }
}

/// A blob may have another size than the manifest says.
const SHORT: &str = "the layer is shorter than the manifest says";
const LONG: &str = "the layer is longer than the manifest says";

/// A blob on its way. A connection that breaks is made again from where it broke.
struct Download<'b> {
    blob: &'b RemoteBlob,
    position: u64,
    body: Option<Box<dyn Read>>,
    /// Where it was when it last failed.
    resumed: u64,
    failures: u32,
}

impl Download<'_> {
    fn call(&self) -> Call<'static> {
        let url = self.blob.repository.path(&format!("blobs/{}", self.blob.digest));
        Call { is_blob: true, ..Call::new("get a layer", Method::GET, url, Scope::Pull) }
    }

    fn odd(&self, reason: &str) -> RemoteError {
        self.blob.repository.odd(&self.call(), reason)
    }

    fn connect(&self) -> Result<Box<dyn Read>, RemoteError> {
        let repository = &self.blob.repository;
        let mut call = self.call();
        if self.position > 0 {
            call = call.header("range", format!("bytes={}-", self.position));
        }
        let answer = repository.call_once(&call, &mut Payload::Bytes(&[]))?;
        let status = answer.status().as_u16();
        let skip = match status {
            206 => {
                let range = header(&answer, "content-range").unwrap_or_default();
                if !range.starts_with(&format!("bytes {}-", self.position)) {
                    return Err(self.odd("it sends another part than was asked for"));
                }
                0
            }
            200 => self.position,
            416 => return Err(self.odd(SHORT)),
            _ => return Err(repository.refusal(&call, answer, status)),
        };
        let mut body = answer.into_body().into_with_config().limit(u64::MAX).reader();
        let skipped = io::copy(&mut body.by_ref().take(skip), &mut io::sink());
        match skipped {
            Ok(skipped) if skipped == skip => Ok(Box::new(body)),
            Ok(_) => Err(self.odd(SHORT)),
            Err(error) => Err(repository.unread(Exchange::Blob, error)),
        }
    }
}

impl Read for Download<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.blob.size;
        // There may be nothing left to wait for.
        while !buffer.is_empty() {
            let (error, weight) = match &mut self.body {
                None => match self.connect() {
                    Ok(body) => {
                        self.body = Some(body);
                        continue;
                    }
                    Err(error) if !error.is_passing() => return Err(io::Error::other(error)),
                    Err(error) => {
                        let weight = error.weight();
                        (io::Error::other(error), weight)
                    }
                },
                Some(body) => match body.read(buffer) {
                    Ok(0) if self.position < size => (io::ErrorKind::UnexpectedEof.into(), 1),
                    Ok(got) => {
                        self.position += got as u64;
                        // Nobody will ask for what is behind its end.
                        let goes_on =
                            got > 0 && self.position == size && matches!(body.read(&mut [0]), Ok(1));
                        let is_longer = goes_on || self.position > size;
                        return if is_longer { Err(io::Error::other(self.odd(LONG))) } else { Ok(got) };
                    }
                    Err(error) => match self.blob.repository.unread(Exchange::Blob, error) {
                        RemoteError::Unreachable { source, .. } => (source, 1),
                        error if !error.is_passing() => return Err(io::Error::other(error)),
                        error => {
                            let weight = error.weight();
                            (io::Error::other(error), weight)
                        }
                    },
                },
            };
            self.body = None;
            // One that breaks after every byte would never end.
            if self.position - self.resumed >= self.blob.repository.shared().settings.limits.least {
                self.failures = 0;
            }
            self.resumed = self.position;
            self.failures += weight;
            if self.failures >= ATTEMPTS {
                return Err(error);
            }
            std::thread::sleep(retry::pause(
                self.blob.repository.shared().settings.limits.pause,
                self.failures,
            ));
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use strake_testkit::registry::{Effect, Fault, Personality, Registry};

    use super::*;
    use crate::client::Client;
    use crate::limits::{Exceeded, Limits};
    use crate::settings::Settings;

    const LEAST: u64 = 12_000;
    const WINDOW: Duration = Duration::from_millis(500);
    const SIZE: usize = 1_000_000;

    /// Fetches a blob while this happens, and returns how that ends and after how many requests.
    fn fetch(window: Duration, effect: Effect) -> (io::Result<usize>, usize) {
        let faults = vec![Fault::burst("GET", "/blobs/", 1, u32::MAX, effect)];
        let registry = Registry::start(Personality { faults, ..Personality::default() });
        let digest = Digest::parse(&registry.put_blob("app", &vec![7; SIZE])).unwrap();
        let limits = Limits { least: LEAST, window, ..Limits::default() };
        let reference = Reference::parse(&format!("{}/app", registry.address())).unwrap();
        let repository = Repository::connect(
            &Client::new(Settings { limits, ..Settings::new(SystemTime::now) }),
            &reference,
        )
        .unwrap();
        let name = PathBuf::new();
        let blob = RemoteBlob { repository: Arc::new(repository), digest, size: SIZE as u64, name };
        let read = blob.open().unwrap().read_to_end(&mut Vec::new());
        (read, registry.count("GET", "/blobs/"))
    }

    fn check(effect: &Effect, expected: Exceeded, attempts: usize) {
        let (found, requests) = fetch(WINDOW, effect.clone());
        let found = found.unwrap_err().downcast::<RemoteError>().unwrap();
        let is_it = matches!(found, RemoteError::Limit { source, .. } if source == expected);
        assert!(is_it && requests == attempts, "{effect:?} {found:?} {requests}");
    }

    #[test]
    fn blobs_that_are_too_slow() {
        let too_slow = Exceeded::Rate { least: LEAST, window: WINDOW };
        check(&Effect::Trickle(300, Duration::from_millis(5)), too_slow, 1);
        // Most of it comes at once, and then nothing: maybe another connection is better.
        let silent = Exceeded::Time { what: "no byte received", limit: WINDOW };
        check(&Effect::Trickle(5000, Duration::from_secs(60)), silent, 3);
    }

    #[test]
    fn blobs_that_break() {
        let window = Limits::default().window;
        // Each attempt brings a good part.
        assert!(matches!(fetch(window, Effect::CutResponse(100_000)), (Ok(SIZE), 11)));
        // Each brings a few bytes.
        let (found, requests) = fetch(window, Effect::CutResponse(400));
        assert!(found.is_err() && requests == 7, "{found:?} {requests}");
    }
}
