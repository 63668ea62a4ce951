#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use strake_fuzz::archives::{layout, mend_checksums};

fuzz_target!(|data: &[u8]| layout(data));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let size = fuzzer_mutate(data, size, max_size);
    // Wrong checksums are of interest, too.
    if seed % 16 != 0 {
        mend_checksums(&mut data[..size]);
    }
    size
});
