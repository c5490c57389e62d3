#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tagseal_fuzz::key_file::run(data));
