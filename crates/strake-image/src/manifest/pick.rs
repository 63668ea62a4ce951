//! Which of the manifests in an index is meant.

use std::collections::HashSet;

use crate::descriptor::Descriptor;
use crate::parsed::OpenError;
use crate::platform::Platform;
use crate::reference;

/// The entry for this platform, or the only one.
pub fn choose(entries: Vec<Descriptor>, wanted: &Platform) -> Result<Descriptor, OpenError> {
    let mut seen = HashSet::new();
    let is_new = |entry: &Descriptor| !entry.is_attestation() && seen.insert(entry.digest);
    let mut left: Vec<Descriptor> = entries.into_iter().filter(is_new).collect();
    if left.len() > 1 {
        let fits = |entry: &Descriptor| entry.platform.as_ref().is_some_and(|platform| platform.is_a(wanted));
        // An index in an index, which may have it.
        let is_inner =
            |entry: &Descriptor| entry.platform.is_none() && entry.is_index() && entry.name().is_none();
        if left.iter().all(|entry| entry.platform.is_some() || is_inner(entry)) {
            if left.iter().any(fits) {
                left.retain(fits);
            } else if left.iter().any(is_inner) {
                left.retain(is_inner);
            } else {
                let wanted = wanted.to_string();
                return Err(OpenError::NoSuchImage { wanted, there: names(&left) });
            }
            // Of several kinds of one architecture the one that runs on all of them.
            let is_plain = |entry: &Descriptor| {
                entry.platform.as_ref().is_some_and(|platform| platform.variant.is_none())
            };
            if left.iter().filter(|entry| is_plain(entry)).count() == 1 {
                left.retain(is_plain);
            }
        }
    }
    match left.len() {
        0 => Err(OpenError::NoImage),
        1 => Ok(left.remove(0)),
        _ => Err(OpenError::Several(names(&left))),
    }
}

/// What the entries are called, for people.
pub(crate) fn names(entries: &[Descriptor]) -> String {
    let names: Vec<String> = entries
        .iter()
        .map(|entry| match (entry.name(), &entry.platform) {
            (Some(name), _) => name.to_owned(),
            (None, Some(_)) => entry.platform_name(),
            (None, None) => entry.digest.to_string(),
        })
        .collect();
    reference::list(&names.iter().map(String::as_str).collect::<Vec<_>>())
}
