//! SHA-256 with the x86 SHA instructions, several streams interleaved.
//!
//! Source of the sequence: Intel, "Intel SHA Extensions" (2013), and FIPS 180-4, section 6.2.2.
//!
//! Lanes are counted rather than iterated over: what `zip` and `map` call is not always inlined across codegen units, which
//! makes this half as fast.

#![allow(unsafe_code)]
#![allow(clippy::needless_range_loop)]

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_blend_epi16, _mm_loadu_si128, _mm_set_epi64x,
    _mm_setzero_si128, _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8,
    _mm_shuffle_epi32, _mm_storeu_si128,
};

use super::BLOCK;

/// FIPS 180-4, section 4.2.2, as it stands there.
#[allow(clippy::unreadable_literal)]
static K: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];

/// Whether this processor has what [`compress`] uses.
pub(super) fn available() -> bool {
    is_x86_feature_detected!("sha") && is_x86_feature_detected!("sse4.1") && is_x86_feature_detected!("ssse3")
}

/// Takes the same number of blocks for each stream.
///
/// Panics unless [`available`] and the numbers are equal.
pub(super) fn compress<const N: usize>(states: &mut [[u32; 8]; N], data: [&[[u8; BLOCK]]; N]) {
    assert!(available() && data.iter().all(|blocks| blocks.len() == data[0].len()));
    // SAFETY: the processor has the features that the function is compiled for, as was just asserted.
    unsafe { compress_blocks(states, data) }
}

#[target_feature(enable = "sha,sse4.1,ssse3")]
fn compress_blocks<const N: usize>(states: &mut [[u32; 8]; N], data: [&[[u8; BLOCK]]; N]) {
    let mut lanes = [[_mm_setzero_si128(); 2]; N];
    for lane in 0..N {
        lanes[lane] = pack(&states[lane]);
    }
    for index in 0..data[0].len() {
        let before = lanes;
        let mut words = [[_mm_setzero_si128(); 4]; N];
        for lane in 0..N {
            for step in 0..4 {
                words[lane][step] = load_big_endian(&data[lane][index], step);
            }
        }
        for group in 0..4 {
            // With the places in the arrays known when this is compiled, all of it stays in registers.
            rounds::<0, N>(&mut lanes, &mut words, group);
            rounds::<1, N>(&mut lanes, &mut words, group);
            rounds::<2, N>(&mut lanes, &mut words, group);
            rounds::<3, N>(&mut lanes, &mut words, group);
        }
        for lane in 0..N {
            lanes[lane][0] = _mm_add_epi32(lanes[lane][0], before[lane][0]);
            lanes[lane][1] = _mm_add_epi32(lanes[lane][1], before[lane][1]);
        }
    }
    for lane in 0..N {
        states[lane] = unpack(lanes[lane]);
    }
}

/// Four rounds of each lane in turn: the lanes do not wait for each other.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn rounds<const AT: usize, const N: usize>(
    lanes: &mut [[__m128i; 2]; N],
    words: &mut [[__m128i; 4]; N],
    group: usize,
) {
    let constants = load(&K, 4 * group + AT);
    for lane in 0..N {
        let ([abef, cdgh], w) = (&mut lanes[lane], &mut words[lane]);
        let keyed = _mm_add_epi32(w[AT], constants);
        *cdgh = _mm_sha256rnds2_epu32(*cdgh, *abef, keyed);
        *abef = _mm_sha256rnds2_epu32(*abef, *cdgh, _mm_shuffle_epi32(keyed, 0x0e));
        // The four words that stand here a group later. They are unused after the last group.
        w[AT] = schedule(w[AT], w[(AT + 1) % 4], w[(AT + 2) % 4], w[(AT + 3) % 4]);
    }
}

/// The next four words of the message schedule, from the sixteen before them.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn schedule(w0: __m128i, w1: __m128i, w2: __m128i, w3: __m128i) -> __m128i {
    let sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));
    _mm_sha256msg2_epu32(sum, w3)
}

/// The words a to h in the order that the instructions require.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn pack(state: &[u32; 8]) -> [__m128i; 2] {
    let cdab = _mm_shuffle_epi32(load(state, 0), 0xb1);
    let efgh = _mm_shuffle_epi32(load(state, 1), 0x1b);
    [_mm_alignr_epi8(cdab, efgh, 8), _mm_blend_epi16(efgh, cdab, 0xf0)]
}

/// The reverse of [`pack`].
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn unpack([abef, cdgh]: [__m128i; 2]) -> [u32; 8] {
    let feba = _mm_shuffle_epi32(abef, 0x1b);
    let dchg = _mm_shuffle_epi32(cdgh, 0xb1);
    let mut state = [0; 8];
    let [low, high] = [_mm_blend_epi16(feba, dchg, 0xf0), _mm_alignr_epi8(dchg, feba, 8)];
    // SAFETY: each store writes 16 bytes, and the array has 32; no alignment is needed.
    unsafe {
        _mm_storeu_si128(state.as_mut_ptr().cast(), low);
        _mm_storeu_si128(state.as_mut_ptr().add(4).cast(), high);
    }
    state
}

/// Words `4 * index` to `4 * index + 3`.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn load(words: &[u32], index: usize) -> __m128i {
    let words: &[u32] = &words[4 * index..4 * index + 4];
    // SAFETY: the slice has 16 bytes; no alignment is needed.
    unsafe { _mm_loadu_si128(words.as_ptr().cast()) }
}

/// Words `4 * index` to `4 * index + 3` of a block.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn load_big_endian(block: &[u8; BLOCK], index: usize) -> __m128i {
    let bytes: &[u8] = &block[16 * index..16 * index + 16];
    // SAFETY: the slice has 16 bytes; no alignment is needed.
    let words = unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
    _mm_shuffle_epi8(words, _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203))
}
