//! Images that others have made: what is common to all forms in which they come.
//!
//! They are untrusted: all their statements are checked before use, no name in them leads out of them, and the memory
//! for reading them is bounded, whatever sizes they state.

mod config;
mod error;
mod held;
mod image;
mod index;
mod json;
mod member_name;
mod members;
pub(crate) mod shapes;
mod time;

pub use crate::limits::MAX_JSON;
pub use config::Config;
pub use error::{JsonFault, OpenError};
pub use image::{Fault, ParsedImage};
pub(crate) use json::{check as check_json, malformed, parse};
pub(crate) use members::Members;
