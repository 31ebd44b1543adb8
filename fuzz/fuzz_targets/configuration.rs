//! The daemon's configuration.
#![no_main]

use jobsd::daemon::config::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| fuzzing::configuration(text));
