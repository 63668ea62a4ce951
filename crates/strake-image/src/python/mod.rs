//! The few things `CPython` does to values on their way into an image, done here to the same bytes.
//!
//! The nixpkgs script leaves traces of its interpreter in every image: how `json` indents and escapes,
//! how `repr` quotes a list of paths, how strings sort, how a date is read and written.

pub mod datetime;
mod float;
pub mod json;
pub mod repr;
pub mod text;
