//! Layers wrap a provider and are one themselves. Requests' own layers (retry, pace, deadline, trace, faults) are
//! in `http/`, since there every service's requests pass.

pub mod check;
