//! The supervisor as a real process with real jobs.

mod launch;
mod world;
