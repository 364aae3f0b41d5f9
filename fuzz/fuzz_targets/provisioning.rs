#![no_main]

#[path = "../provisioning.rs"]
mod provisioning;

libfuzzer_sys::fuzz_target!(|data: &[u8]| provisioning::machine(data));
