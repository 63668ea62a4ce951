//! Tar archives byte by byte, so that anything can be wrong with them.

/// A member's header and what stands behind it.
#[derive(Clone, Debug)]
pub struct RawMember {
    /// At most 100 bytes.
    pub name: String,
    /// The type flag.
    pub kind: u8,
    /// At most 100 bytes.
    pub linkname: String,
    /// Permissions.
    pub mode: u32,
    /// The time, in seconds since 1970.
    pub mtime: u64,
    /// The size that the header says.
    pub size: u64,
    /// The bytes behind the header, whatever size the header states. It is filled up to whole blocks.
    pub content: Vec<u8>,
}

impl RawMember {
    /// A member whose header is right about its content.
    pub fn new(kind: u8, name: &str, content: &[u8]) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            linkname: String::new(),
            mode: 0o644,
            mtime: 1,
            size: content.len() as u64,
            content: content.to_vec(),
        }
    }

    /// A link.
    pub fn link(kind: u8, name: &str, target: &str) -> Self {
        Self { linkname: target.to_owned(), ..Self::new(kind, name, b"") }
    }

    /// An extended header, or a global one, with these records.
    pub fn extended(kind: u8, records: &[(&str, &str)]) -> Self {
        let mut text = Vec::new();
        for (keyword, value) in records {
            let rest = keyword.len() + value.len() + 3;
            let mut length = rest;
            while length != rest + length.to_string().len() {
                length = rest + length.to_string().len();
            }
            text.extend(format!("{length} {keyword}={value}\n").into_bytes());
        }
        Self::new(kind, "extended", &text)
    }

    /// Appends it to an archive.
    pub fn append(&self, out: &mut Vec<u8>) {
        let mut block = [0; 512];
        let mut put = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
        put(0, self.name.as_bytes());
        put(100, format!("{:07o}\0", self.mode).as_bytes());
        put(108, b"0000000\x000000000\0");
        put(124, format!("{:011o}\0", self.size).as_bytes());
        put(136, format!("{:011o}\0", self.mtime).as_bytes());
        put(148, b"        ");
        put(156, &[self.kind]);
        put(157, self.linkname.as_bytes());
        put(257, b"ustar\x0000");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        out.extend_from_slice(&block);
        out.extend_from_slice(&self.content);
        out.resize(out.len().next_multiple_of(512), 0);
    }
}

/// An archive of these members.
pub fn archive(members: &[RawMember]) -> Vec<u8> {
    let mut out = Vec::new();
    for member in members {
        member.append(&mut out);
    }
    out.resize(out.len() + 1024, 0);
    out
}
