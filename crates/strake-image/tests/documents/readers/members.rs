//! Members of tar archives, field by field, so that anything can be wrong with them.

/// A header block, field by field, and what stands behind it.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) name: Vec<u8>,
    pub(super) kind: u8,
    pub(super) link: Vec<u8>,
    pub(super) dialect: Dialect,
    pub(super) prefix: Vec<u8>,
    /// Mode, owner, group, size, time, device numbers.
    pub(super) numbers: [Number; 7],
    pub(super) owners: [Vec<u8>; 2],
    pub(super) content: Vec<u8>,
    /// The content is padded to whole blocks.
    pub(super) is_padded: bool,
    /// The bytes that the checksum covers.
    pub(super) sum: Sum,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Old,
    Ustar,
    Gnu,
    Star,
    /// Neither of them: `ustar` with another version.
    Other,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Sum {
    Unsigned,
    Signed,
    Wrong,
}

/// A number, and how it is written.
#[derive(Clone, Debug)]
pub(super) struct Number {
    pub(super) value: i64,
    pub(super) form: Form,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// Octal digits with a zero byte.
    Octal,
    Spaces,
    /// All of the field.
    Full,
    Binary,
    /// These bytes, whatever the number is.
    Raw(&'static [u8]),
}

impl Number {
    pub(super) fn plain(value: i64) -> Self {
        Self { value, form: Form::Octal }
    }

    fn put(&self, field: &mut [u8]) {
        let digits = field.len() - 1;
        let octal = |width: usize| format!("{:0width$o}", self.value.max(0)).into_bytes();
        let bytes = match self.form {
            Form::Octal => octal(digits),
            Form::Spaces => format!(" {:o} ", self.value.max(0)).into_bytes(),
            Form::Full => octal(digits + 1),
            Form::Binary => {
                let wide = i128::from(self.value).to_be_bytes();
                let mut bytes = wide[wide.len().saturating_sub(field.len())..].to_vec();
                bytes[0] |= 0x80;
                bytes
            }
            Form::Raw(bytes) => bytes.to_vec(),
        };
        let length = bytes.len().min(field.len());
        field[..length].copy_from_slice(&bytes[..length]);
    }
}

impl Block {
    pub(super) fn new(kind: u8, name: &[u8], content: &[u8]) -> Self {
        let number = Number::plain;
        let size = i64::try_from(content.len()).unwrap();
        Self {
            name: name.to_vec(),
            kind,
            link: Vec::new(),
            dialect: Dialect::Ustar,
            prefix: Vec::new(),
            numbers: [number(0o644), number(1), number(2), number(size), number(3), number(0), number(0)],
            owners: [b"root".to_vec(), b"".to_vec()],
            content: content.to_vec(),
            is_padded: true,
            sum: Sum::Unsigned,
        }
    }

    pub(super) fn append(&self, out: &mut Vec<u8>) {
        let mut block = [0; 512];
        let mut put = |at: usize, length: usize, text: &[u8]| {
            let length = length.min(text.len());
            block[at..at + length].copy_from_slice(&text[..length]);
        };
        put(0, 100, &self.name);
        put(156, 1, &[self.kind]);
        put(157, 100, &self.link);
        match self.dialect {
            Dialect::Old => {}
            Dialect::Ustar | Dialect::Star => put(257, 8, b"ustar\x0000"),
            Dialect::Gnu => put(257, 8, b"ustar  \0"),
            Dialect::Other => put(257, 8, b"ustar\x00xx"),
        }
        if self.dialect != Dialect::Old {
            put(265, 32, &self.owners[0]);
            put(297, 32, &self.owners[1]);
            put(345, 155, &self.prefix);
        }
        if self.dialect == Dialect::Star {
            put(476, 24, b"00000000001 00000000002 ");
            put(508, 4, b"tar\0");
        }
        for (number, (at, end)) in self.numbers.iter().zip(FIELDS) {
            if at < 300 || self.dialect != Dialect::Old {
                number.put(&mut block[at..end]);
            }
        }
        block[148..156].fill(b' ');
        let unsigned: i64 = block.iter().map(|byte| i64::from(*byte)).sum();
        let signed: i64 = block.iter().map(|byte| i64::from(byte.cast_signed())).sum();
        let sum = match self.sum {
            Sum::Unsigned => unsigned,
            Sum::Signed => signed.max(0),
            Sum::Wrong => unsigned + 1,
        };
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        out.extend_from_slice(&block);
        out.extend_from_slice(&self.content);
        if self.is_padded {
            out.resize(out.len().next_multiple_of(512), 0);
        }
    }
}

const FIELDS: [(usize, usize); 7] =
    [(100, 108), (108, 116), (116, 124), (124, 136), (136, 148), (329, 337), (337, 345)];

/// An extended header of these records.
pub(super) fn extended(kind: u8, records: &[(String, Vec<u8>)]) -> Block {
    let mut text = Vec::new();
    for (keyword, value) in records {
        let rest = keyword.len() + value.len() + 3;
        let mut length = rest;
        while length != rest + length.to_string().len() {
            length = rest + length.to_string().len();
        }
        text.extend(format!("{length} {keyword}=").into_bytes());
        text.extend(value);
        text.push(b'\n');
    }
    Block::new(kind, b"extended", &text)
}
