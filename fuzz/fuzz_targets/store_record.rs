//! Records of the store, and the frames around them.
#![no_main]

use jobsd::store::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzing::record(bytes));
