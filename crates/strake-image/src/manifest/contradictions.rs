//! Where what lists something and what it is differ, or two that list the same.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::media_type::MediaType;
use crate::parsed::{Config, Fault, OpenError};

/// The listed blobs, each one once. The same digest cannot have two sizes, nor stand for two kinds of things.
#[derive(Default)]
pub(crate) struct Repeats(HashMap<Digest, (u64, MediaType)>);

impl Repeats {
    /// Makes sure that this is so of all that is listed together.
    pub(crate) fn check(listed: &[Descriptor]) -> Result<(), OpenError> {
        let mut repeats = Self::default();
        listed.iter().try_for_each(|listed| repeats.note(listed).map(drop))
    }

    /// Takes the next thing. Returns whether it is new.
    pub(crate) fn note(&mut self, listed: &Descriptor) -> Result<bool, OpenError> {
        let said = (listed.size, listed.media_type.clone());
        match self.0.entry(listed.digest) {
            Entry::Vacant(entry) => {
                entry.insert(said);
                Ok(true)
            }
            Entry::Occupied(first) if *first.get() == said => Ok(false),
            Entry::Occupied(_) => {
                let text = format!("{} is listed twice, with different sizes or media types", listed.digest);
                Err(OpenError::Contradiction(text))
            }
        }
    }
}

/// In what the config is other than the index says.
pub(super) fn contradictions(listed: &Descriptor, config: &Config) -> Vec<Fault> {
    let name = &listed.digest;
    let platform = listed.platform.iter().flat_map(|platform| platform.differences(&config.platform));
    let platform = platform.map(|[listed, said]| {
        format!("the manifest {name} is listed for {listed:?}, and its config is for {said:?}")
    });
    let attestation = listed
        .is_called_attestation()
        .then(|| format!("the manifest {name} is listed as an attestation, and is an image"));
    platform.chain(attestation).map(Fault::contradiction).collect()
}
