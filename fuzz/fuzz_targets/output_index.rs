//! Indexes of runs' output.
#![no_main]

use jobsd::output::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzing::index(bytes));
