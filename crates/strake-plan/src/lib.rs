//! What goes into which image layer.
//!
//! **Invariant:** this crate is pure. It does no I/O, reads no clock and no environment, and starts no thread;
//! the same values give the same results everywhere.

pub mod store_path;

pub use store_path::{StoreDir, StorePath};
