//! What goes into which image layer.
//!
//! **Invariant:** this crate is pure. It does no I/O, reads no clock and no environment, and starts no thread;
//! the same values give the same results everywhere.

pub mod closure;
pub mod graph;
pub mod layering;
pub mod store_path;

pub use closure::Closure;
pub use store_path::{StoreDir, StorePath};
