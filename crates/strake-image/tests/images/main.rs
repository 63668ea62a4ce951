//! Images: described, listed by manifests, delivered, read back.

mod contents;
mod deliver;
mod fixture;
mod manifests;
mod memory;
mod names;
mod targets;
