//! Plans: from what is wanted of an image to its conf.
//!
//! [`plan()`] makes a conf of options and a references graph; [`complete`] gives a conf that has everything else its layers
//! of store paths. Both know only what they are given: the caller reads the graph, opens the base image and says which
//! architecture is meant. Of the machine they read links that stand for store paths, which programs are in these and, to leave
//! out what a base image holds, its layers.
//!
//! ```
//! use strake_image::plan::{PlanOptions, plan};
//! use strake_image::Store;
//! use strake_plan::Closure;
//!
//! let graph = br#"[
//!     { "path": "/nix/store/aaa-app", "references": ["/nix/store/bbb-libc"], "narSize": 1000 },
//!     { "path": "/nix/store/bbb-libc", "references": [], "narSize": 30000 }
//! ]"#;
//! let closure = Closure::parse(graph, None)?;
//! let store = Store::new(closure.store_dir().clone(), "/");
//! let options = PlanOptions { name: Some("app".into()), tag: Some("1".into()), ..PlanOptions::default() };
//! let conf = plan(&options, &store, &closure, None)?.conf;
//! assert_eq!((conf.repo_tag.as_str(), conf.store_layers.len()), ("app:1", 2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod complete;
mod conf;
mod config;
mod named;
mod options;
mod others;
mod programs;
mod request;
mod roots;
mod tag;

pub use complete::{CompleteError, CompleteOptions, CompletedConf, complete};
pub use conf::{BaseImage, ImagePlan, PlanError, plan, wanted};
pub use config::{ConfigError, ConfigOptions, pair, port};
pub use options::PlanOptions;
pub use others::{ConfLayers, ConfLayersError};
pub use programs::{NoProgram, ProgramError};
pub use request::RequestError;
pub use roots::{RootError, in_store, store_path, store_paths};
