//! Job files, the whole path from TOML to a job or its faults.
#![no_main]

use jobsd::spec::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| fuzzing::job_file(text));
