//! Image registries and container engines: as sources of images, and as targets.
//!
//! Protocol: the OCI distribution specification 1.1, and Docker's registry API v2, from which it comes.
//!
//! This plans an image of a references graph, hashes its layers and pushes what the registry lacks:
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let registry = strake_testkit::registry::Registry::start(Default::default());
//! # let (example, host) = (concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/hello"), registry.address());
//! # use std::{fs, sync::Arc, time::SystemTime};
//! # use strake_image::plan::{PlanOptions, plan};
//! # use strake_image::spec::{Spec, Surroundings};
//! # use strake_image::{Context, Store, deliver::{Options, deliver}};
//! # use strake_plan::Closure;
//! # use strake_remote::{Client, Reference, RegistryTarget, Repository, Settings};
//! let closure = Closure::parse(&fs::read(format!("{example}/graph.json"))?, None)?;
//! let context = Context::new(Store::new(closure.store_dir().clone(), example), SystemTime::now);
//! let options = PlanOptions { name: Some("hello".into()), ..PlanOptions::default() };
//! let conf = plan(&options, &context.store, &closure, None)?.conf;
//! let draft = Spec::of(&conf)?.draft_alone(&Surroundings::new(&context.store, SystemTime::now()))?;
//! let name = Reference::parse(&format!("{host}/hello:1.0"))?;
//! let repository = Repository::connect(&Client::new(Settings::new(SystemTime::now)), &name)?;
//! let target = RegistryTarget::new(Arc::new(repository), name, &context);
//! let pushed =
//!     deliver(&context, draft.into(), &mut [Box::new(target)], &Options::default(), &|_| {})?;
//! println!("{}", pushed.top.digest());
//! # assert_eq!(registry.tags("hello"), [("1.0".to_owned(), pushed.top.digest().to_string())]);
//! # Ok(())
//! # }
//! ```
//!
//! **Invariant:** nothing here prints, looks at the environment or the clock, or exits: all that it is to know of these comes
//! in [`Settings`].

mod answer;
mod auth_file;
mod authorization;
mod body;
mod call;
mod challenge;
mod client;
mod credentials;
mod deletion;
pub mod engines;
mod error;
mod helper;
mod index_update;
mod internal;
mod learned;
mod limits;
mod manifests;
mod measured;
mod newest;
mod open_upload;
mod origin;
mod pull;
mod push;

mod reference;
mod registry_target;
mod repository;
mod retry;
mod settings;
mod tags;
#[doc(hidden)]
pub mod testing;
mod tls;
mod token;
mod transport;
mod upload;

pub use auth_file::AuthFile;
pub use client::Client;
pub use credentials::Credentials;
pub use deletion::Uses;
pub use error::RemoteError;
pub use index_update::update_index;
pub use limits::{Exceeded, Limits};
pub use manifests::Pulled;
pub use pull::{digest, manifest, open, open_all, pins};

pub use reference::{Reference, ReferenceError};
pub use registry_target::RegistryTarget;
pub use repository::Repository;
pub use settings::{Proxies, Settings};
pub use tags::Tags;
