//! One folder per service, each a [`crate::provider::Provider`]; [`registry`] is the only list of them.

mod basecamp;
mod imeet_central;
mod medable;
mod oracle_content;
mod redmine;
pub mod registry;
mod rillsoft;
