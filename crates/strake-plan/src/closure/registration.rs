//! Registrations: the text that `closureInfo` writes to `registration` and `nix-store --load-db` reads.
//!
//! Format: for each path a line each for its name, its NAR hash, its NAR size, its deriver (may be empty), the number
//! of its references, and then a line for each of these.

use super::{Closure, ClosureError, Row, store_dir_of};

pub(super) fn parse(text: &[u8]) -> Result<Closure, ClosureError> {
    let text = std::str::from_utf8(text).map_err(|_| ClosureError::Form)?;
    let mut lines = (1..).zip(text.lines());
    let mut rows: Vec<Row> = Vec::new();
    let mut last = 0;
    while let Some((_, path)) = lines.next() {
        let mut line = |expected| match lines.next() {
            Some((number, text)) => {
                last = number;
                Ok((number, text))
            }
            None => Err(ClosureError::Registration { line: last + 1, expected }),
        };
        let number = |(line, text): (usize, &str), expected| {
            text.parse::<u64>().map_err(|_| ClosureError::Registration { line, expected })
        };
        let (_, nar_hash) = line("a NAR hash")?;
        let nar_size = number(line("a NAR size")?, "a NAR size")?;
        line("a deriver or empty")?;
        let count = number(line("a number of references")?, "a number of references")?;
        let references = (0..count).map(|_| Ok(line("a reference")?.1.to_owned()));
        rows.push(Row {
            references: references.collect::<Result<_, ClosureError>>()?,
            path: path.to_owned(),
            nar_size,
            nar_hash: Some(nar_hash.to_owned()),
        });
    }
    Closure::new(store_dir_of(&rows)?, rows)
}
