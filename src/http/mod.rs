//! One HTTP client for every service.
//!
//! A [`Client`] belongs to one account and one base address. Every request passes the same stack of layers
//! (`layers/mod.rs` shows it): trace, whole deadline, retry, authorize, pace, deadline per try, count, faults.
//! Services build a [`Request`], send it and look at the [`Response`]; they never touch the library below.
//!
//! What holds for every request:
//! - credentials go only to addresses their [`Authorizer`] covers: the base's scheme, host and port unless it says more;
//! - no redirect is followed by itself; [`Client::send_following`] follows at most five, each judged anew;
//! - plain `http` is for loopback addresses only;
//! - an answer is read up to a limit, and no wait is without an end.

mod address;
pub mod auth;
pub mod body;
mod client;
mod exact;
mod items;
mod layers;
mod multipart;
pub mod paging;
mod request;
mod response;
mod status;
#[cfg(test)]
pub(crate) mod stub;
pub mod token;
mod transport;

pub use address::{path, same_origin};
pub use auth::{Authorizer, Credentials, FixedHeaders};
pub use body::{Body, FileBody};
pub use client::{Client, ClientSettings, Deadlines, Instruments, Limits, Rate, redirect_target};
pub use exact::exactly;
pub use items::usable;
pub use layers::faults::{Fault, Faults};
pub use layers::metrics::{Metrics, RequestCount};
pub use multipart::{FilePart, Multipart};
pub use paging::Pager;
pub use request::{Repeat, Request};
pub use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
pub use reqwest::{Method, StatusCode, Url};
pub use response::Response;
pub use status::{StatusTable, retry_after, status_kind};
pub use token::{BearerToken, Token, TokenSource};
