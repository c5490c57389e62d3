#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tagseal_fuzz::policy::run(data));
