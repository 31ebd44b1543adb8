//! What engine and supervisor say to each other.
#![no_main]

use jobsd::supervisor::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzing::frames(bytes));
