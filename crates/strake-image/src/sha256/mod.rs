//! SHA-256 over several streams at once.
//!
//! On a processor with SHA instructions one stream is bound by the latency of `sha256rnds2`, each of which needs the
//! one before it: the unit is idle most of the time. Layers are independent streams, so three are run through it
//! interleaved, at 1.4 to 1.7 times the rate of one by one (bench/README.md). Elsewhere this is the `sha2` crate.

mod lanes;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use lanes::{Lanes, Stream};

use sha2::block_api::compress256;

use crate::digest::Digest;

/// Bytes that are hashed in one step.
const BLOCK: usize = 64;

/// So many streams are interleaved at most: more do not fit into the registers.
const WIDTH: usize = 3;

/// How many streams keep one processor busiest: those that it digests at once, and one that is being read meanwhile.
pub fn streams_per_processor() -> usize {
    #[cfg(target_arch = "x86_64")]
    if x86::available() {
        return WIDTH + 1;
    }
    1
}

/// The state between two blocks. FIPS 180-4, section 6.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State([u32; 8]);

impl Default for State {
    /// FIPS 180-4, section 5.3.3.
    fn default() -> Self {
        Self([
            0x6a09_e667,
            0xbb67_ae85,
            0x3c6e_f372,
            0xa54f_f53a,
            0x510e_527f,
            0x9b05_688c,
            0x1f83_d9ab,
            0x5be0_cd19,
        ])
    }
}

impl State {
    /// Takes whole blocks.
    fn update(&mut self, data: &[u8]) {
        compress256(&mut self.0, data.as_chunks::<BLOCK>().0);
    }

    /// Takes what is left, after `length` bytes in all, with the padding of FIPS 180-4, section 5.1.1.
    fn finish(mut self, rest: &[u8], length: u64) -> Digest {
        let (blocks, tail) = rest.as_chunks::<BLOCK>();
        compress256(&mut self.0, blocks);
        let mut padded = [0; 2 * BLOCK];
        padded[..tail.len()].copy_from_slice(tail);
        padded[tail.len()] = 0x80;
        let end = if tail.len() < BLOCK - 8 { BLOCK } else { 2 * BLOCK };
        padded[end - 8..end].copy_from_slice(&(length * 8).to_be_bytes());
        self.update(&padded[..end]);
        let mut digest = [0; 32];
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(self.0) {
            *bytes = word.to_be_bytes();
        }
        Digest::from_bytes(digest)
    }
}

/// Takes a piece of each stream, which may have different lengths of whole blocks.
fn update_all(streams: &mut [(&mut State, &[u8])]) {
    #[cfg(target_arch = "x86_64")]
    if let [(s0, d0), (s1, d1), (s2, d2)] = streams
        && x86::available()
    {
        let common = d0.len().min(d1.len()).min(d2.len()) / BLOCK;
        let mut states = [s0.0, s1.0, s2.0];
        let pieces = [*d0, *d1, *d2].map(|data| &data.as_chunks::<BLOCK>().0[..common]);
        x86::compress(&mut states, pieces);
        for ((state, data), new) in streams.iter_mut().zip(states) {
            state.0 = new;
            state.update(&data[common * BLOCK..]);
        }
        return;
    }
    for (state, data) in streams {
        state.update(data);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BLOCK, State, update_all};
    use crate::digest::Digest;

    /// The digest of `data`, of which the first `blocks` blocks go through with two other streams.
    fn together(data: &[u8], blocks: usize, others: [usize; 2]) -> Digest {
        let (head, rest) = data.split_at((blocks * BLOCK).min(data.len() / BLOCK * BLOCK));
        let [one, two] = others.map(|blocks| vec![7; blocks * BLOCK]);
        let mut states = [State::default(); 3];
        let [a, b, c] = &mut states;
        update_all(&mut [(a, &one), (b, head), (c, &two)]);
        states[1].finish(rest, data.len() as u64)
    }

    proptest! {
        #[test]
        fn same_as_alone(
            data in prop::collection::vec(any::<u8>(), 0..2000),
            blocks in 0usize..40,
            others in any::<[u8; 2]>(),
        ) {
            let others = others.map(|blocks| usize::from(blocks) % 40);
            prop_assert_eq!(together(&data, blocks, others), Digest::of(&data));
        }
    }
}
