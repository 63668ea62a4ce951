//! Extended headers: the records in front of a member whose fields do not hold everything.

use std::borrow::Cow;

use super::header::{self, NAME, OWNER};
use super::{Member, block_padding};

/// Appends the member's extended header, where it needs one, and its header block.
///
/// A record is written for a text that is longer than its field or not ASCII, and for a number that its field cannot
/// hold. Should any text not be UTF-8, a record that says so comes first. The order is `tarfile`'s: what the member
/// came with, then path, linkpath, uname, gname, uid, gid, size, mtime; extended attributes, of which `tarfile` knows
/// nothing, come last.
pub fn append(member: &Member, out: &mut Vec<u8>) {
    let records = records(member);
    if !records.is_empty() || !member.xattrs.is_empty() {
        let mut text = Vec::new();
        if records.iter().any(|(_, value)| std::str::from_utf8(value).is_err()) {
            append_record(b"hdrcharset", b"BINARY", &mut text);
        }
        for (keyword, value) in &records {
            append_record(keyword, value, &mut text);
        }
        for (name, value) in &member.xattrs {
            append_record(&[b"SCHILY.xattr.", name.as_slice()].concat(), value, &mut text);
        }
        header::append(&header::extended(text.len()), out);
        out.extend_from_slice(&text);
        out.resize(out.len() + block_padding(text.len() as u64) as usize, 0);
    }
    header::append(member, out);
}

/// All records that the member needs, in order: keyword and value.
fn records<'m>(member: &'m Member) -> Vec<(&'m [u8], Cow<'m, [u8]>)> {
    let given = member.records.iter().map(|(keyword, value)| (&keyword[..], Cow::from(value)));
    let mut records: Vec<_> = given.collect();
    let mut add = |keyword: &'m str, value: Cow<'m, [u8]>| {
        if !records.iter().any(|(known, _)| *known == keyword.as_bytes()) {
            records.push((keyword.as_bytes(), value));
        }
    };
    let texts = [
        ("path", &member.name, NAME),
        ("linkpath", &member.linkname, NAME),
        ("uname", &member.uname, OWNER),
        ("gname", &member.gname, OWNER),
    ];
    for (keyword, text, length) in texts {
        if text.len() > length || !text.is_ascii() {
            add(keyword, text.into());
        }
    }
    for (keyword, number, field) in
        [("uid", member.uid, 8), ("gid", member.gid, 8), ("size", member.size, 12)]
    {
        if number >= header::limit(field) {
            add(keyword, number.to_string().into_bytes().into());
        }
    }
    if u64::try_from(member.mtime).map_or(true, |mtime| mtime >= header::limit(12)) {
        add("mtime", member.mtime.to_string().into_bytes().into());
    }
    records
}

/// Appends one record: its own length in decimal, a space, `keyword=value` and a line feed.
fn append_record(keyword: &[u8], value: &[u8], out: &mut Vec<u8>) {
    let rest = keyword.len() + value.len() + 3;
    // The length counts its own digits, so it is the least number that is right about itself.
    let digits = |number: usize| number.to_string().len();
    let mut length = rest + digits(rest);
    if length != rest + digits(length) {
        length = rest + digits(length);
    }
    out.extend_from_slice(length.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(keyword);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}
