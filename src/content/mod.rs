//! Bytes of files: the content cache, and the readers that fill it and read from it.
//!
//! [`Cache`] finds, keeps and evicts contents; [`Reader`] reads one revision, fetching what is not here. A content is
//! one sparse data file with a bitmap of the blocks that are here (`item`, `blocks`); a log of claims says after a
//! restart which of them can be trusted (`index`, written by `keep`).

mod blocks;
mod cache;
mod direct;
mod evict;
mod fetch;
mod index;
mod item;
mod keep;
mod key;
mod prefetch;
mod reader;
mod spool;

pub use cache::{Cache, Usage};
pub use reader::Reader;
pub use spool::{Spool, SpoolFile};
