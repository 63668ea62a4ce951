//! An index that is there already, with other images for some platforms.

use serde_json::{Map, Value, json};

use super::list::REFERENCE;
use super::read::{Listed, all_entries};
use super::text::{Lists, ManifestText};
use crate::descriptor::Descriptor;
use crate::document::Document;
use crate::parsed::OpenError;
use crate::platform::Platform;

/// The index that was found, with these images in it, each for another platform: in the place of the one that it lists for the
/// same platform, or behind all others. An image's attestations go with it. All else stays as it is, and if the index
/// lists these images already, so does its text. `None`: what was found is no index.
pub fn updated(found: &Listed, images: &[Descriptor]) -> Result<Option<Document>, OpenError> {
    let ManifestText { media_type, lists } = ManifestText::read(&found.descriptor, &found.text)?;
    let Lists::Entries(values) = lists else { return Ok(None) };
    let entries = all_entries(&found.descriptor, values.clone())?;
    let is_for = |platform: &Option<Platform>, image: &Descriptor| match (platform, &image.platform) {
        (Some(one), Some(other)) => one.is_same(other),
        _ => false,
    };
    let replaces = |entry: &Descriptor| {
        images.iter().position(|image| !entry.is_attestation() && is_for(&entry.platform, image))
    };
    let is_gone = |digest: &str| {
        let old = entries.iter().find(|entry| entry.digest.to_string() == digest);
        old.is_some_and(|old| replaces(old).is_some_and(|place| images[place].digest != old.digest))
    };
    let (mut listed, mut placed) = (Vec::with_capacity(values.len() + 1), vec![false; images.len()]);
    let mut is_changed = false;
    for (entry, value) in entries.iter().zip(values) {
        match replaces(entry) {
            None => {
                let goes = value["annotations"][REFERENCE].as_str().is_some_and(is_gone);
                is_changed |= goes;
                listed.extend((!goes).then_some(value));
            }
            Some(place) if placed[place] => is_changed = true,
            Some(place) => {
                placed[place] = true;
                let is_same = images[place].is_same_blob(entry);
                is_changed |= !is_same;
                listed.push(if is_same { value } else { json!(images[place]) });
            }
        }
    }
    for (image, _) in images.iter().zip(placed).filter(|(_, placed)| !placed) {
        is_changed = true;
        listed.push(json!(image));
    }
    let text = match serde_json::from_slice::<Map<String, Value>>(&found.text) {
        Ok(mut index) if is_changed => {
            index.insert("manifests".to_owned(), Value::Array(listed));
            Value::Object(index).to_string().into_bytes()
        }
        _ => found.text.clone(),
    };
    Ok(Some(Document::new(media_type, text)))
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;
    use crate::digest::Digest;
    use crate::manifest::index_listing;
    use crate::media_type::Format;

    fn image(text: &str, platform: &str) -> Descriptor {
        let descriptor = Descriptor::of(Format::Oci.manifest(), text.as_bytes());
        Descriptor { platform: Platform::parse(platform), ..descriptor }
    }

    fn found(text: &str) -> Listed {
        let descriptor = Descriptor::of(Format::Oci.index(), text.as_bytes());
        Listed { descriptor, text: text.as_bytes().to_vec(), tags: Vec::new() }
    }

    fn update(text: &str, images: &[Descriptor]) -> String {
        let index = updated(&found(text), images).unwrap().unwrap();
        String::from_utf8(index.into_text()).unwrap()
    }

    #[test]
    fn what_is_not_replaced_stays() {
        let [one, two, new] =
            [image("1", "linux/amd64"), image("2", "linux/arm64"), image("3", "linux/arm64")];
        let attests = |of: &Descriptor| {
            let unknown = r#""platform":{"architecture":"unknown","os":"unknown"}"#;
            let (digest, about) = (Digest::of(of.digest.as_bytes()), of.digest);
            format!(
                r#"{{"mediaType":"{}","digest":"{digest}","size":1,"annotations":{{"{REFERENCE}":"{about}","vnd.docker.reference.type":"attestation-manifest"}},{unknown}}}"#,
                Format::Oci.manifest().as_str()
            )
        };
        let index = |entries: &[String]| {
            format!(
                r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[{}],"own":{{"big":12345678901234567890123}}}}"#,
                Format::Oci.index().as_str(),
                entries.join(",")
            )
        };
        let [json_one, json_two, json_new] = [&one, &two, &new].map(|image| json!(image).to_string());
        let before = index(&[json_one.clone(), attests(&one), json_two.clone(), attests(&two)]);
        let after = index(&[json_one.clone(), attests(&one), json_new.clone()]);
        assert_eq!(update(&before, from_ref(&new)), after);
        assert_eq!(update(&before, &[two.clone(), one.clone()]), before);
        assert_eq!(update(&after, from_ref(&new)), after);
        // The entry that is listed first keeps its place.
        assert_eq!(
            update(&index(&[json_two, json_one.clone()]), from_ref(&new)),
            index(&[json_new.clone(), json_one.clone()])
        );
        assert_eq!(update(&index(from_ref(&json_one)), from_ref(&new)), index(&[json_one, json_new]));
        let made = index_listing(from_ref(&one), Format::Oci);
        assert_eq!(update(std::str::from_utf8(made.text()).unwrap(), from_ref(&one)).as_bytes(), made.text());
    }
}
