//! Short forms of schedules, moments, windows and zones: no panic, no hang, and what is accepted can be asked.
#![no_main]

use jobsd::schedule::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| fuzzing::rule(text));
