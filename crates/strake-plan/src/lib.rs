//! Assigns store paths to image layers.
//!
//! **Invariant:** this crate is pure. It does no I/O, reads no clock and no environment, and starts no thread;
//! the same values give the same results everywhere.
//!
//! The layers of a graph:
//!
//! ```
//! use strake_plan::Closure;
//! use strake_plan::layering::{LayeringOptions, layers};
//!
//! let graph = br#"[
//!     { "path": "/nix/store/aaa-app", "references": ["/nix/store/bbb-libc"], "narSize": 1000 },
//!     { "path": "/nix/store/bbb-libc", "references": [], "narSize": 30000 }
//! ]"#;
//! let closure = Closure::parse(graph, None)?;
//! let layers = layers(&closure, 100, &LayeringOptions::default())?;
//! let names: Vec<Vec<&str>> = layers.iter().map(|layer| layer.iter().map(|path| path.name()).collect()).collect();
//! assert_eq!(names, [["libc"], ["app"]]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod closure;
pub mod graph;
pub mod layering;
pub mod store_path;

pub use closure::Closure;
pub use store_path::{StoreDir, StorePath};
