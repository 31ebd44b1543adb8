//! Files of variables.
#![no_main]

use jobsd::supervisor::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| fuzzing::environment_file(text));
