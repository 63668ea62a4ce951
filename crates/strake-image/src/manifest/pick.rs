//! Which of the manifests in an index is meant.

use std::collections::HashSet;

use crate::descriptor::Descriptor;
use crate::parsed::OpenError;
use crate::platform::PlatformPick;
use crate::reference;

/// The entry for the platform that is meant. Indexes in an index may have it, and images that are listed for none.
pub fn choose(entries: Vec<Descriptor>, pick: &PlatformPick) -> Result<Descriptor, OpenError> {
    let wanted = pick.platform();
    let fits = |entry: &Descriptor| entry.platform.as_ref().is_some_and(|platform| platform.is_a(wanted));
    let says_nothing = |entry: &Descriptor| entry.platform.is_none();
    let is_inner = |entry: &Descriptor| says_nothing(entry) && entry.is_index() && entry.name().is_none();
    let mut left = entries;
    left.retain(|entry| !entry.is_attestation());
    let must_fit = matches!(pick, PlatformPick::Only(_));
    let are_known = left.iter().all(|entry| !says_nothing(entry) || is_inner(entry));
    if !left.is_empty() && (must_fit || are_known && are_several(&left)) {
        if left.iter().any(fits) {
            left.retain(fits);
        } else if left.iter().any(says_nothing) {
            left.retain(says_nothing);
        } else {
            return Err(OpenError::NoPlatform { wanted: wanted.to_string(), there: names(&left) });
        }
        // Of several kinds of one architecture the one that runs on all of them.
        let is_plain =
            |entry: &Descriptor| entry.platform.as_ref().is_some_and(|platform| platform.variant.is_none());
        if left.iter().filter(|entry| is_plain(entry)).count() == 1 {
            left.retain(is_plain);
        }
    }
    if are_several(&left) {
        return Err(OpenError::Several(names(&left)));
    }
    left.into_iter().next().ok_or(OpenError::NoImage)
}

fn are_several(entries: &[Descriptor]) -> bool {
    entries.iter().any(|entry| entry.digest != entries[0].digest)
}

/// The names of the entries for messages; each name once.
pub(crate) fn names(entries: &[Descriptor]) -> String {
    let mut names: Vec<String> = entries
        .iter()
        .map(|entry| match (entry.name(), &entry.platform) {
            (Some(name), _) => name.to_owned(),
            (None, Some(_)) => entry.platform_name(),
            (None, None) => entry.digest.to_string(),
        })
        .collect();
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    reference::list(&names.iter().map(String::as_str).collect::<Vec<_>>())
}
