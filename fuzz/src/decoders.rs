//! Compressed streams.

use std::io::{BufReader, Read};

use strake_image::Codec;

/// So many bytes are looked at, of streams that could go on for ever.
const MOST: usize = 1 << 20;

/// A stream of whatever format its beginning says: what comes out does not depend on how it is read, and a failure stays.
pub fn decoders(data: &[u8]) {
    for codec in Codec::ALL {
        // One that begins in another way fails at once.
        if Codec::detect(data).is_none_or(|found| found == codec) {
            let whole = read(codec, data, 1 << 16, 1 << 16);
            let pieces = read(codec, data, 13, 911);
            assert_eq!(whole.len(), pieces.len(), "{codec:?}");
            assert!(whole == pieces, "{codec:?}");
        }
    }
}

/// The output, with a last byte that says how it ends.
fn read(codec: Codec, data: &[u8], at_once: usize, piece: usize) -> Vec<u8> {
    let Ok(mut decoder) = codec.decoder(BufReader::with_capacity(at_once, data)) else { return vec![b'!'] };
    let (mut out, mut buffer) = (Vec::new(), vec![0; piece]);
    loop {
        match decoder.read(&mut buffer) {
            Ok(0) => {
                out.push(b'.');
                return out;
            }
            Ok(got) => out.extend_from_slice(&buffer[..got]),
            Err(_) => {
                assert!(decoder.read(&mut buffer).is_err(), "a failure is taken back");
                // How much came before it depends on the pieces.
                return vec![b'?'];
            }
        }
        if out.len() > MOST {
            out.truncate(MOST);
            return out;
        }
    }
}
