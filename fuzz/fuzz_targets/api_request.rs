//! Bodies, queries and paths of requests.
#![no_main]

use jobsd::api::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| fuzzing::request(text));
