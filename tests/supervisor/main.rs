//! The supervisor as a real process with real jobs.

mod launch;
mod messages;
mod older;
mod output;
mod stop;
mod survive;
mod world;
