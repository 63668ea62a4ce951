//! The JSON documents of images: what is refused because programs would read it differently or because it contradicts what it
//! describes, and what is taken.

mod accepted;
mod archives;
mod fixture;
mod json;
mod mutations;
mod readers;
mod refused;
