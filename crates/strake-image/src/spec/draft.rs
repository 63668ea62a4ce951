//! From a conf to an image's draft: the base image is opened, the customisation layer found.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::iter;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Map;
use strake_plan::StorePath;
use strake_plan::closure::NarHash;

use super::error::DraftError;
use super::inherit::{Inherit, inherited, whole};
use super::{CustomisationSource, Spec, Time};
use crate::digest::Digest;
use crate::draft::{About, Contents, Description, Draft, LayerDraft, Origin, Settings, usual_member_name};
use crate::error::Error;
use crate::parsed::ParsedImage;
use crate::python::datetime::DateTime;
use crate::recipe::{Recipe, Source, StorePaths, Tarball};
use crate::store::Store;
use crate::tar::Member;

/// What a conf's meaning depends on besides its text.
pub struct Surroundings<'a> {
    /// The store.
    pub store: &'a Store,
    /// What `now` is.
    pub now: SystemTime,
    /// The user's name of a number, as the machine knows it.
    pub user_name: &'a dyn Fn(u32) -> Option<String>,
    /// The group's name of a number, as the machine knows it.
    pub group_name: &'a dyn Fn(u32) -> Option<String>,
}

impl<'a> Surroundings<'a> {
    /// On a machine whose users have no names.
    pub fn new(store: &'a Store, now: SystemTime) -> Self {
        Self { store, now, user_name: &|_| None, group_name: &|_| None }
    }
}

impl Spec {
    /// The same for a conf that names no base image.
    pub fn draft_alone(&self, surroundings: &Surroundings<'_>) -> Result<Draft, DraftError> {
        match &self.from_image {
            Some(base) => Err(DraftError::NotAlone(base.clone())),
            None => self.draft_on(None, surroundings),
        }
    }

    /// Finds everything that the image is made of, and makes sure that it is there. `open_base` opens the base image
    /// that the conf names.
    pub fn draft<E: From<DraftError>>(
        &self,
        surroundings: &Surroundings<'_>,
        open_base: impl FnOnce(&str) -> Result<ParsedImage, E>,
    ) -> Result<Draft, E> {
        let base = self.from_image.as_deref().map(open_base).transpose()?;
        Ok(self.draft_on(base, surroundings)?)
    }

    fn draft_on(
        &self,
        base: Option<ParsedImage>,
        surroundings: &Surroundings<'_>,
    ) -> Result<Draft, DraftError> {
        let store = surroundings.store;
        let now = || {
            let since = surroundings.now.duration_since(UNIX_EPOCH).map_err(|_| DraftError::Clock)?;
            let seconds = i64::try_from(since.as_secs()).map_err(|_| DraftError::Clock)?;
            DateTime::from_unix(seconds, since.subsec_micros()).map_err(|_| DraftError::Clock)
        };
        let time = |time| match time {
            Time::Now => now(),
            Time::At(time) => Ok(time),
        };
        let mtime = time(self.mtime)?.timestamp();
        let mut layers = Vec::new();
        let mut config = self.config.clone();
        let mut base_config = Map::new();
        let mut held = HashSet::new();
        let shared = Arc::new(store.clone());
        if let Some(base) = base {
            base.config.check_container().map_err(DraftError::Base)?;
            config = inherited(self.inherit, &base.config.run, &config)?;
            if self.inherit == Inherit::All {
                base_config = whole(&base.config).map_err(DraftError::Base)?;
            }
            if self.skip_base_paths {
                held = base.held(self.store_layers.iter().flatten())?;
            }
            layers = base.layers;
        }
        let described = self.described.iter().copied().map(Some).chain(iter::repeat(None));
        let mut told = described.zip(self.history.iter().cloned().chain(iter::repeat(Map::new())));
        for (all, (described, history)) in self.store_layers.iter().zip(&mut told) {
            let paths: Vec<_> = all.iter().filter(|path| !held.contains(path)).cloned().collect();
            if paths.is_empty() && !all.is_empty() {
                continue;
            }
            let described = described.filter(|_| paths.len() == all.len());
            let recipe = StorePaths {
                store: Arc::clone(&shared),
                paths: paths.clone(),
                nar_hashes: self.nar_hashes(&paths),
                owner: self.owner.clone(),
                mtime,
            };
            let found = store.check(&paths).map(|()| Recipe::StorePaths(recipe)).map_err(DraftError::from);
            layers.push(LayerDraft {
                contents: Contents::store_paths(paths),
                recipe: found.or_else(|error| absent(error, described))?,
                origin: Origin::Store,
                member: None,
                described,
                history,
            });
        }
        for (customisation, (described, history)) in self.customisations.iter().zip(&mut told) {
            let (found, contents) = match customisation {
                CustomisationSource::Packed(directory) => {
                    (packed_customisation(directory, mtime, surroundings), vec![directory.clone()])
                }
                CustomisationSource::Described(description) => {
                    let recipe = description.recipe(store, self.closure.as_ref(), mtime);
                    let recipe = recipe.map(|files| (Recipe::Files(files), None));
                    (recipe.map_err(DraftError::from), description.contents.clone())
                }
            };
            let (recipe, member) =
                found.or_else(|error| absent(error, described).map(|recipe| (recipe, None)))?;
            if let (Some(described), Some(found)) = (described, recipe.claimed_diff_id())
                && described.diff_id != found
            {
                let path = store.locate(Path::new(&contents.concat()));
                return Err(Error::Digest { path, expected: described.diff_id, found }.into());
            }
            let origin = Origin::Customisation;
            let contents = Contents::Customisation(contents);
            layers.push(LayerDraft { recipe, origin, contents, member, described, history });
        }
        let settings = Settings {
            created: time(self.created)?.isoformat(),
            mtime,
            architecture: self.architecture.clone(),
            config,
            base_config,
            repo_tag: self.repo_tag.clone(),
        };
        Ok(Draft { layers, about: About::Settings(settings) })
    }

    /// The NAR hashes of a layer's paths, where all are known.
    fn nar_hashes(&self, paths: &[StorePath]) -> Vec<NarHash> {
        let hash = |path: &StorePath| {
            let closure = self.closure.as_ref()?;
            closure.path(closure.node(path.as_str())?).nar_hash
        };
        paths.iter().map(hash).collect::<Option<_>>().unwrap_or_default()
    }
}

/// A layer whose files are not here, but which is described: it will do where it need not be written.
fn absent(error: DraftError, described: Option<Description>) -> Result<Recipe, DraftError> {
    match (error, described) {
        (DraftError::Read(Error::Read { path, source }), Some(Description { diff_id, size }))
            if source.kind() == io::ErrorKind::NotFound =>
        {
            let source = Source::Elsewhere { path };
            let digest = Some(diff_id);
            Ok(Recipe::Tarball(Tarball { source, size, diff_id, digest, codec: None, is_layer: true }))
        }
        (error, _) => Err(error),
    }
}

/// The customisation layer. In the archive it has the owner and mode of its file, as `tarfile` sees them.
fn packed_customisation(
    named: &str,
    mtime: i64,
    surroundings: &Surroundings<'_>,
) -> Result<(Recipe, Option<Member>), DraftError> {
    let directory = surroundings.store.locate(Path::new(named));
    let checksum = directory.join("checksum");
    let mut text = String::new();
    let read = File::open(&checksum).and_then(|file| file.take(256).read_to_string(&mut text));
    let diff_id = match read {
        Ok(_) => Digest::from_hex(text.trim()).ok(),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
        Err(source) => {
            return Err(Error::Read { path: checksum, source }.into());
        }
    };
    let diff_id = diff_id.ok_or(DraftError::Checksum(checksum))?;
    let path = directory.join("layer.tar");
    let stat = match fs::symlink_metadata(&path) {
        Ok(stat) if stat.is_file() => stat,
        Ok(_) => return Err(DraftError::NotAFile(path)),
        Err(source) => return Err(Error::Read { path, source }.into()),
    };
    let name = |name: Option<String>| name.map(String::into_bytes).unwrap_or_default();
    let member = Member {
        mode: stat.mode(),
        uid: stat.uid().into(),
        gid: stat.gid().into(),
        uname: name((surroundings.user_name)(stat.uid())),
        gname: name((surroundings.group_name)(stat.gid())),
        ..Member::file(usual_member_name(diff_id), stat.size(), mtime)
    };
    let size = stat.size();
    let source = Source::File { path, offset: 0 };
    let tarball = Tarball { source, size, diff_id, digest: None, codec: None, is_layer: true };
    Ok((Recipe::Tarball(tarball), Some(member)))
}
