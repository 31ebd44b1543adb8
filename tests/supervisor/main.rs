//! The supervisor as a real process with real jobs.

mod launch;
mod messages;
mod output;
mod stop;
mod survive;
mod world;
