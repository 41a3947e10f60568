//! collabfs mounts project-collaboration services as ordinary directories.
//!
//! The floors, from the ground up. A file imports from its own folder and from lower floors only;
//! sibling folders of one floor do not import each other (`tests/tidy.rs` keeps both rules).

// 1: facts and tools without policy
pub mod clock;
pub mod config;
pub mod disk;
pub mod error;
pub mod ids;
pub mod names;
pub mod person;
pub mod secret;

// 2: one HTTP client for every service
pub mod http;

// 3: what a service must be able to do, as one object-safe trait
pub mod provider;

// 4: what is remembered, and the services themselves
pub mod services;
pub mod store;

// 5: names and listings; bytes; what the service still has to learn
pub mod content;
pub mod outbox;
pub mod tree;

// 6: the file system, without a kernel
pub mod fs;

// 7: the kernel's door
pub mod fuse;

// 8: one account mounted
pub mod daemon;

// 9: commands
pub mod cli;

// beside the floors: the embedded demo service. Imports floor 1 only; cli and tests start it.
pub mod demo;
