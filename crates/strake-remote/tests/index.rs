//! Indexes to which several add at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use strake_image::manifest::index_listing;
use strake_image::parsed::OpenError;
use strake_image::{Descriptor, Digest, Document, Format, Platform};
use strake_remote::{Client, Limits, Reference, RemoteError, Repository, Settings, update_index};
use strake_testkit::image::Image;
use strake_testkit::registry::{Effect, Fault, Personality, Registry};

const TAG: &str = "1";

/// An index of an image that is there, for this platform.
fn index(registry: &Registry, size: usize, platform: &str) -> Document {
    let digest = Image::of_sizes(&[size]).put(registry, "app", &format!("part-{size}"));
    let text = registry.manifest("app", &digest).unwrap().1;
    let manifest = Descriptor::of(Format::Oci.manifest(), &text);
    index_listing(&[Descriptor { platform: Platform::parse(platform), ..manifest }], Format::Oci)
}

fn put(registry: &Registry, index: &Document) {
    registry.put_manifest("app", TAG, index.media_type().as_str(), index.text());
}

fn update(registry: &Registry, settle: Duration, images: &Document) -> Result<Document, OpenError> {
    let limits = Limits { settle, pause: Duration::from_millis(1), ..Limits::default() };
    let settings = Settings { limits, ..Settings::new(SystemTime::now) };
    let reference = Reference::parse(&format!("{}/app:{TAG}", registry.address())).unwrap();
    let repository = Repository::connect(&Client::new(settings), &reference).unwrap();
    update_index(&Arc::new(repository), &reference, images)
}

/// The tag's digest.
fn there(registry: &Registry) -> Option<Digest> {
    let tags = registry.tags("app");
    tags.iter().find(|(tag, _)| tag == TAG).map(|(_, digest)| Digest::parse(digest).unwrap())
}

/// Somebody who has read before writes after.
#[test]
fn what_is_written_over_is_written_again() {
    let registry = Registry::start(Personality::default());
    let [ours, other] = [index(&registry, 1000, "linux/amd64"), index(&registry, 2000, "linux/arm64")];
    let made = std::thread::scope(|scope| {
        scope.spawn(|| {
            while there(&registry) != Some(ours.digest()) {
                std::thread::yield_now();
            }
            put(&registry, &other);
        });
        update(&registry, Duration::from_secs(3), &ours).unwrap()
    });
    assert_eq!(there(&registry), Some(made.digest()));
    let text = String::from_utf8(made.text().to_vec()).unwrap();
    let place = |architecture: &str| text.find(&format!("\"{architecture}\"")).unwrap();
    assert!(place("arm64") < place("amd64"), "{text}");
}

/// Somebody who never stops.
#[test]
fn it_is_not_tried_for_ever() {
    let registry = Registry::start(Personality::default());
    let [ours, other] = [index(&registry, 1000, "linux/amd64"), index(&registry, 2000, "linux/arm64")];
    let is_over = AtomicBool::new(false);
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                put(&registry, &other);
                std::thread::yield_now();
            }
        });
        let result = update(&registry, Duration::from_millis(300), &ours);
        is_over.store(true, Ordering::Relaxed);
        result
    });
    let Err(OpenError::Fetch(error)) = result else { panic!("{result:?}") };
    let error = error.downcast::<RemoteError>().unwrap();
    assert!(matches!(*error, RemoteError::Contended { attempts: 10, .. }), "{error}");
}

/// A registry that answers no write, but carries the first one out.
#[test]
fn a_write_whose_answer_is_lost() {
    let faults = vec![Fault::once("PUT", "/manifests/1", 1, Effect::CutResponse(0))];
    let registry = Registry::start(Personality { faults, ..Personality::default() });
    let ours = index(&registry, 1000, "linux/amd64");
    let made = update(&registry, Duration::ZERO, &ours).unwrap();
    assert_eq!((there(&registry), registry.count("PUT", "/manifests/1")), (Some(made.digest()), 1));
}
