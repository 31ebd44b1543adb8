//! Crontabs, anacrontabs and systemd timers.
#![no_main]

use jobsd::migrate::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzing::import(bytes));
