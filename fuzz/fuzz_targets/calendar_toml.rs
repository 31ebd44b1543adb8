//! Calendars in TOML.
#![no_main]

use jobsd::schedule::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| fuzzing::calendar_toml(text));
