//! The language between the engine and the supervisor.
//!
//! Frames over a Unix stream socket: four bytes of length (little endian), then one JSON message of that many bytes, at
//! most [`FRAME_LIMIT`]. The messages are in [`wire`] and frozen; a change is a new version, and both sides speak their own
//! version and the one before. Version 3 adds to an end what the attempt used, how it was stopped, and whether the kernel
//! killed it for want of memory, which an engine of version 2 passes over; and to a plan where output goes and how much of it
//! may come, and that the job may not use jobsd, which is not sent to a supervisor of version 2: it would start the job without.
//!
//! 1. The engine says [`wire::ToSupervisor::Hello`]: the versions it speaks, and its generation.
//! 2. The supervisor answers [`wire::ToEngine::Hello`] with the version it chose, or [`wire::ToEngine::Refused`] and
//!    closes. A connection with a generation as high as the highest seen, or higher, displaces the one before; frames
//!    that the displaced engine still had under way are dropped.
//! 3. The supervisor says, unasked, what it has: `Started` for each attempt whose program runs, `Ended` for each end
//!    that was not acknowledged.
//! 4. From then on the engine asks (`Launch`, `Find`, `Stop`, `Acknowledge`) and the supervisor reports, both whenever
//!    they like. There are no answers, only reports, and each report may come twice.

mod convert;
mod frame;
mod process;
mod usage;
pub mod wire;

pub use convert::ConversionError;
pub(super) use convert::{micros, output, signal, timestamp, to, to_word};
pub use frame::{FRAME_LIMIT, FrameBuffer, FrameError, encode};
pub(super) use usage::usage_before_3;
