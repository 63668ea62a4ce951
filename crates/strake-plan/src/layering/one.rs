//! `one`: everything in one layer.
//!
//! For images that are copied once and never again, or where the other side has no layers at all. Every change sends
//! everything.
//!
//! # Example
//!
//! `app` needs `lib`, `lib` needs `libc`. Whatever the budget, there is one layer: `app`, `lib`, `libc`, in the order
//! of their names, so that a new hash alone does not move a path.

use super::{Group, by_name};
use crate::closure::Closure;

/// All paths in one layer; no layer if there is no path.
pub fn one(closure: &Closure) -> Vec<Group> {
    let all = by_name(closure);
    if all.is_empty() { Vec::new() } else { vec![all] }
}
