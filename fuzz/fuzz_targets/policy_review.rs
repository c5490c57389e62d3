#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tagseal_fuzz::policy_review::run(data));
