//! Deletes manifests, and finds what else would miss them.
//!
//! Protocol: the OCI distribution specification 1.1, "content management". A manifest is deleted by its digest, and with it go all tags that
//! lead to it.

use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use strake_image::Digest;
use ureq::http::Method;
use ureq::http::header::CONTENT_TYPE;

use crate::answer::{header, said_digest};
use crate::call::{Call, Scope};
use crate::error::RemoteError;
use crate::push::{LOOKS, in_parallel};
use crate::repository::Repository;

/// How many pages of the list of tags are fetched to look at each.
const PAGES: usize = 4;

/// The references to a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// The tags of the manifest.
    pub tags: Vec<String>,
    /// The tags of indexes that list it.
    pub indexes: Vec<String>,
    /// How many manifests say that they are about it, such as signatures and attestations.
    pub referrers: usize,
    /// Whether all tags were looked at.
    pub is_whole: bool,
}

impl Repository {
    /// The references to a manifest, as far as the registry lists them.
    pub fn uses(&self, of: Digest) -> Result<Uses, RemoteError> {
        let Some(tags) = self.tags(PAGES)? else { return Ok(Uses { is_whole: true, ..Uses::default() }) };
        let found = Mutex::new((Vec::new(), Vec::new()));
        let order: Vec<usize> = (0..tags.names.len()).collect();
        in_parallel(&order, LOOKS, |place| {
            let (is_it, lists_it) = self.leads_to(&tags.names[place], of)?;
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.0.extend(is_it.then_some(place));
            found.1.extend(lists_it.then_some(place));
            Ok(())
        })?;
        let (is_it, lists_it) = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        let names = |mut places: Vec<usize>| {
            places.sort_unstable();
            places.into_iter().map(|place| tags.names[place].clone()).collect()
        };
        let (referrers, is_whole) = (self.referrers(of)?, tags.is_whole);
        Ok(Uses { tags: names(is_it), indexes: names(lists_it), referrers, is_whole })
    }

    /// Deletes a manifest, and those of these tags that still lead to it then, as in registries that keep tags apart. `false`: it is
    /// not there.
    pub fn delete(&self, manifest: Digest, tags: &[String]) -> Result<bool, RemoteError> {
        let was_there = self.delete_name(&manifest.to_string())?;
        for tag in tags {
            if self.leads_to(tag, manifest)?.0 {
                self.delete_name(tag)?;
            }
        }
        Ok(was_there)
    }

    fn delete_name(&self, name: &str) -> Result<bool, RemoteError> {
        let what = format!("delete {}", self.image(name));
        let url = self.path(&format!("manifests/{name}"));
        let answer = self.call(&Call::new(&what, Method::DELETE, url, Scope::Delete), &[])?;
        Ok(answer.status().is_success())
    }

    /// Whether a tag leads to a manifest, or to an index that lists it.
    fn leads_to(&self, tag: &str, manifest: Digest) -> Result<(bool, bool), RemoteError> {
        let what = format!("look for {}", self.image(tag));
        let call = self.manifest_call(&what, Method::HEAD, tag, Scope::Pull);
        let answer = self.call(&call, &[])?;
        if !answer.status().is_success() {
            return Ok((false, false));
        }
        let media_type = header(&answer, CONTENT_TYPE.as_str()).unwrap_or_default();
        let said = said_digest(&answer);
        if said == Some(manifest)
            || said.is_some() && !(media_type.contains("index") || media_type.contains("list"))
        {
            return Ok((said == Some(manifest), false));
        }
        let Some(pulled) = self.manifest(tag)? else { return Ok((false, false)) };
        let index: Value = serde_json::from_slice(&pulled.text).unwrap_or_default();
        let wanted = manifest.to_string();
        let mut entries = index["manifests"].as_array().into_iter().flatten();
        Ok((pulled.digest == manifest, entries.any(|entry| entry["digest"] == *wanted)))
    }

    /// How many manifests are about this one. For a registry without such a list the number is 0.
    fn referrers(&self, of: Digest) -> Result<usize, RemoteError> {
        let what = format!("list what refers to {}", self.image(&of.to_string()));
        let call = Call::new(&what, Method::GET, self.path(&format!("referrers/{of}")), Scope::Pull);
        let text = match self.get_json(&call) {
            Ok((_, text)) => text,
            Err(RemoteError::Status { is_passing: false, .. }) => Vec::new(),
            Err(error) => return Err(error),
        };
        let list: Value = serde_json::from_slice(&text).unwrap_or_default();
        Ok(list["manifests"].as_array().map_or(0, Vec::len))
    }
}
