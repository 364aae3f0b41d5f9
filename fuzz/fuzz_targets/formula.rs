#![no_main]

#[path = "../scaling.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::formula(data));
