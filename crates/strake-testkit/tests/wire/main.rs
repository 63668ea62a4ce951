//! The scripted registry, byte by byte.

/// A client that sends the bytes that a test specifies.
mod client;

/// Uploads in one piece and in many, and what is refused.
mod uploads;

/// Blobs and manifests: what is given, taken and refused.
mod content;

/// Challenges and tokens.
mod auth;

/// Faults do what they say.
mod faults;
