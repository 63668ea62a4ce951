//! Confs, and the layers of single files that they describe.

use serde_json::Value;
use strake_image::customisation::Customisation;
use strake_image::recipe::Recipe;
use strake_image::spec::Spec;
use strake_image::testing::{Access, layer as check_layer, members};

use super::memory::{Gather, context, said};

/// A conf, which means the same when it is written again.
pub fn conf(data: &[u8]) {
    let spec = match Spec::parse(data) {
        Ok(spec) => spec,
        Err(error) => return drop(said(&error)),
    };
    let value: Value = serde_json::from_slice(data).expect("a conf is JSON");
    let again = Spec::parse(value.to_string().as_bytes()).expect("it is a conf when it is written again");
    assert_eq!(format!("{spec:?}"), format!("{again:?}"));
    if let Some(closure) = &spec.closure {
        assert!(spec.store_layers.iter().flatten().all(|path| closure.node(path.as_str()).is_some()));
    }
    if let Some(base) = &spec.described_base {
        let _ = base.open("/nonexistent").map_err(|error| said(&error));
    }
}

/// A description of files: the layer is an archive that all can unpack, and any range of it is what the whole has there.
pub fn customisation(data: &[u8]) {
    let Ok(description) = serde_json::from_slice::<Customisation>(data) else { return };
    let again = serde_json::to_vec(&description).expect("it can be written");
    assert_eq!(serde_json::from_slice::<Customisation>(&again).expect("it can be read again"), description);
    // Files on the machine are not part of this.
    let needs_files =
        description.root.is_some() || description.entries.iter().any(|entry| entry.file.is_some());
    if needs_files || !description.contents.is_empty() || description.nix_database.is_some() {
        return;
    }
    let files = match description.recipe(&context().store, None, 1) {
        Ok(files) => files,
        Err(error) => return drop(said(&error)),
    };
    let count = files.files.len();
    let recipe = Recipe::Files(files);
    let survey = recipe.survey().expect("no file is needed");
    let mut whole = Gather::default();
    recipe.write(Some(&survey), &mut whole).expect("no file is needed");
    let whole = whole.0;
    assert_eq!(whole.len() as u64, survey.size);
    check_layer(&whole).expect("it can be unpacked");
    assert_eq!(members(&whole, Access::Buffer).expect("it can be listed").len(), count);
    let places = [0, 1, 511, 512, 513, whole.len() / 3, whole.len() / 2 + 1, whole.len() - 1024, whole.len()];
    for (number, start) in places.iter().enumerate() {
        for end in places[number..].iter().filter(|end| *end >= start) {
            let mut range = Gather::default();
            recipe.write_range(&survey, *start as u64..*end as u64, &mut range).expect("no file is needed");
            assert!(range.0 == whole[*start..*end], "{start}..{end}");
        }
    }
}
