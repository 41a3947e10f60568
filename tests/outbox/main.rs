//! The outbox without a file system, a disk or a network: a fake clock, a service of a few lines, days in a moment.
//!
//! `folding`: every sequence of a few operations ends in the same tree as doing them one by one, with the fewest calls.
//! `planning`: which requests are made, and when.
//! `simulation`: random work on a service that fails, loses answers and is away for hours.

mod folding;
mod planning;
mod player;
mod simulation;
