//! Manifests and indexes of described images.

use serde_json::{Value, json};
use strake_image::manifest::{Listing, index_of, of_image};
use strake_image::{Codec, Descriptor, Digest, Document, Format, Image};

use crate::fixture::Fixture;

fn parsed(document: &Document) -> Value {
    serde_json::from_slice(document.text()).unwrap()
}

fn image(architecture: &str) -> Image {
    let fixture = Fixture::new();
    fixture.context.describe_image(fixture.draft(architecture)).unwrap()
}

/// An image's manifest in a format, with an annotation, if it has room for one.
fn check(format: Format, codec: Option<Codec>) {
    let mut image = image("amd64");
    if codec.is_some() {
        image.layers[1].descriptor = Descriptor::layer(Digest::of(b"compressed"), 10, codec);
    }
    let annotations = if format == Format::Oci { vec![("a".to_owned(), "b".to_owned())] } else { Vec::new() };
    let manifest = of_image(&image, &Listing { format: Some(format), annotations });
    let found = parsed(&manifest);
    assert_eq!(*manifest.media_type(), format.manifest());
    assert_eq!(found["mediaType"], json!(format.manifest()));
    assert_eq!(
        found["config"],
        json!({
            "mediaType": format.config(), "digest": image.id(), "size": image.config.text().len(),
        })
    );
    let one = &image.layers[1];
    assert_eq!(
        found["layers"][1],
        json!({
            "mediaType": format.layer(codec), "digest": one.descriptor.digest, "size": one.descriptor.size,
        })
    );
    assert_eq!(found["annotations"]["a"] == "b", format == Format::Oci);
}

#[test]
fn of_images() {
    for format in Format::ALL {
        check(format, None);
        check(format, Some(Codec::Gzip));
    }
}

/// A manifest that an image comes with stays as it is, but for what is asked for and for blobs that are others now.
#[test]
fn given_manifests() {
    let mut image = image("amd64");
    let mut given = parsed(&of_image(&image, &Listing::default()));
    given["layers"][0]["data"] = json!("…");
    given["subject"] = json!({ "kept": true });
    let text = given.to_string().into_bytes();
    image.manifest = Some(text.clone());
    assert_eq!(of_image(&image, &Listing::default()).text(), text);
    image.layers[0].descriptor = Descriptor::layer(Digest::of(b"compressed"), 10, Some(Codec::Zstd));
    let changed = parsed(&of_image(&image, &Listing::default()));
    given["layers"][0] = json!({
        "mediaType": Format::Oci.layer(Some(Codec::Zstd)), "digest": Digest::of(b"compressed"), "size": 10,
    });
    assert_eq!(changed, given);
    let docker = of_image(&image, &Listing { format: Some(Format::Docker), annotations: Vec::new() });
    assert_eq!(parsed(&docker)["subject"], Value::Null);
}

#[test]
fn indexes() {
    let (amd64, arm64) = (image("amd64"), image("arm64"));
    let manifests = [&amd64, &arm64].map(|image| of_image(image, &Listing::default()));
    let index = index_of(&[(&amd64, &manifests[0]), (&arm64, &manifests[1])], Format::Oci).unwrap();
    let found = parsed(&index);
    for (place, architecture) in ["amd64", "arm64"].iter().enumerate() {
        assert_eq!(
            found["manifests"][place],
            json!({
                "mediaType": Format::Oci.manifest(), "digest": manifests[place].digest(),
                "size": manifests[place].text().len(), "platform": { "architecture": architecture, "os": "linux" },
            })
        );
    }
    assert!(index_of(&[(&amd64, &manifests[0]), (&amd64, &manifests[0])], Format::Oci).is_err());
}
