//! The scripted registry, byte by byte.

/// A client that sends what a test wants.
mod client;

/// Uploads in one piece and in many, and what is refused.
mod uploads;

/// Blobs and manifests: what is given, taken and refused.
mod content;

/// Challenges and tokens.
mod auth;

/// Faults do what they say.
mod faults;
