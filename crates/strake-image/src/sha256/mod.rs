//! SHA-256 over several streams at once.
//!
//! On a processor with SHA instructions one stream is bound by the latency of `sha256rnds2`, each of which needs the
//! one before it: the unit is idle half of the time. Layers are independent streams, so two or three are run through it
//! interleaved (bench/README.md has the rates). Elsewhere this is the `sha2` crate.

mod lanes;
#[cfg(target_arch = "x86_64")]
mod sha_ni;

pub use lanes::Lanes;
pub(crate) use lanes::Stream;

use sha2::block_api::compress256;

use crate::digest::Digest;

/// Bytes that are hashed in one step.
const BLOCK: usize = 64;

/// The implementation that hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// The SHA instructions of x86-64, which take several streams at once.
    #[cfg(target_arch = "x86_64")]
    ShaNi,
    /// The `sha2` crate, which takes one after the other.
    Single,
}

impl Unit {
    /// The best that this processor has.
    fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        if sha_ni::available() {
            return Self::ShaNi;
        }
        Self::Single
    }

    /// How many pieces are waited for before they are hashed: more would keep threads waiting for longer than three at
    /// once save over two.
    fn width(self) -> usize {
        if self == Self::Single { 1 } else { 2 }
    }
}

/// How many streams keep one processor busiest: enough that two are always ready while others are being read.
pub fn streams_per_processor() -> usize {
    if Unit::best() == Unit::Single { 1 } else { 6 }
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
fn update_all(unit: Unit, streams: &mut Vec<(&mut State, &[u8])>) {
    loop {
        streams.retain(|(_, data)| !data.is_empty());
        let done = match (streams.len(), unit) {
            (0, _) => return,
            #[cfg(target_arch = "x86_64")]
            (3.., Unit::ShaNi) => together(streams, sha_ni::compress::<3>),
            #[cfg(target_arch = "x86_64")]
            (2, Unit::ShaNi) => together(streams, sha_ni::compress::<2>),
            _ => {
                let (state, data) = &mut streams[0];
                state.update(data);
                (1, data.len())
            }
        };
        for (_, data) in &mut streams[..done.0] {
            *data = &data[done.1..];
        }
    }
}

/// Takes what the first `N` pieces have in common. Returns `N`, and how many bytes of each were taken.
#[cfg(target_arch = "x86_64")]
fn together<const N: usize>(
    streams: &mut [(&mut State, &[u8])],
    compress: impl Fn(&mut [[u32; 8]; N], [&[[u8; BLOCK]]; N]),
) -> (usize, usize) {
    let streams = &mut streams[..N];
    let common = streams.iter().map(|(_, data)| data.len()).min().unwrap_or(0);
    let mut states = std::array::from_fn(|lane| streams[lane].0.0);
    compress(&mut states, std::array::from_fn(|lane| streams[lane].1[..common].as_chunks().0));
    for ((state, _), new) in streams.iter_mut().zip(states) {
        state.0 = new;
    }
    (N, common)
}

/// The implementations that tests run: a processor with SHA instructions is tested without them as well.
#[cfg(test)]
fn units() -> Vec<Unit> {
    let mut units = vec![Unit::Single];
    units.extend(Some(Unit::best()).filter(|&best| best != Unit::Single));
    units
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BLOCK, State, units, update_all};
    use crate::digest::Digest;

    proptest! {
        /// Streams of any lengths, each taken in two pieces, end as they do alone.
        #[test]
        fn same_as_alone(streams in prop::collection::vec((0_usize..40, 0_usize..40, any::<u8>(), 0_usize..200), 1..20)) {
            let data: Vec<Vec<u8>> = streams
                .iter()
                .map(|&(first, second, seed, rest)| {
                    let length = (first + second) * BLOCK + rest;
                    (0..length).map(|place| (place as u8).wrapping_mul(31).wrapping_add(seed)).collect()
                })
                .collect();
            for unit in units() {
                let mut states = vec![State::default(); streams.len()];
                for piece in 0..2 {
                    let range = |&(first, second, _, _): &(usize, usize, u8, usize)| match piece {
                        0 => 0..first * BLOCK,
                        _ => first * BLOCK..(first + second) * BLOCK,
                    };
                    let pieces = data.iter().zip(&streams).map(|(data, stream)| &data[range(stream)]);
                    update_all(unit, &mut states.iter_mut().zip(pieces).collect());
                }
                for ((state, data), (first, second, _, _)) in states.iter().zip(&data).zip(&streams) {
                    let rest = &data[(first + second) * BLOCK..];
                    prop_assert_eq!(state.finish(rest, data.len() as u64), Digest::of(data), "{:?}", unit);
                }
            }
        }
    }
}
