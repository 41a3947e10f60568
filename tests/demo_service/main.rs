//! The demo service spoken to directly: as strict as its documentation, as faulty as it is told to be, and with data
//! that survive restarts.

mod data;
mod faults;
mod protocol;
mod session;
