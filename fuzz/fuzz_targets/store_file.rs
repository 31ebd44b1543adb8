//! Files beside the database: exports, journals, manifests.
#![no_main]

use jobsd::store::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzing::file(bytes));
