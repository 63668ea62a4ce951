//! Layers: what strake takes as one has the same members to Go's `archive/tar`.

use std::cell::RefCell;

use proptest::prelude::*;
use serde_json::Value;
use strake_image::Digest;
use strake_image::testing::{Access, ListedMember, layer as check_layer, members};

use super::tars::archive;
use super::{Count, Readers, runner};

fn hex(text: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(text)
}

/// A name as it is without what tells a directory's.
fn trimmed(name: &str) -> &str {
    let mut name = name;
    while let Some(rest) = name.strip_suffix("2f").filter(|rest| !rest.is_empty()) {
        name = rest;
    }
    name
}

/// In what a member is another to Go.
fn difference(archive: &[u8], ours: &ListedMember, theirs: &Value) -> Option<String> {
    let ListedMember { member, position, is_sparse } = ours;
    let text = |key: &str| theirs[key].as_str().unwrap_or("?").to_owned();
    let number = |key: &str| theirs[key].as_i64().unwrap_or(i64::MIN);
    let kind = if member.kind.0 == 0 { b'0' } else { member.kind.0 };
    let end = usize::try_from(position + member.size).unwrap();
    let content = &archive[usize::try_from(*position).unwrap()..end];
    let xattrs = member.records.iter().filter_map(|(key, value)| {
        let name = key.strip_prefix(b"SCHILY.xattr.")?;
        Some((String::from_utf8_lossy(name).into_owned(), Value::from(data_encoding::BASE64.encode(value))))
    });
    let xattrs: serde_json::Map<String, Value> = xattrs.collect();
    // Half a second is rounded in another way.
    let (mtime, nanoseconds) = (number("Seconds"), number("Nanoseconds"));
    let is_time =
        if nanoseconds == 0 { member.mtime == mtime } else { (mtime..=mtime + 1).contains(&member.mtime) };
    let checks = [
        (
            "name",
            *is_sparse
                || hex(&member.name) == trimmed(&text("Name"))
                || trimmed(&hex(&member.name)) == trimmed(&text("Name")),
        ),
        ("kind", i64::from(kind) == number("Kind")),
        ("link", hex(&member.linkname) == text("Link")),
        ("owners", [&member.uname, &member.gname].map(|name| hex(name)) == [text("Uname"), text("Gname")]),
        (
            "numbers",
            i64::try_from(member.uid) == Ok(number("Uid")) && i64::try_from(member.gid) == Ok(number("Gid")),
        ),
        ("mode", i64::from(member.mode) & 0o7777 == number("Mode") & 0o7777),
        ("time", is_time),
        // Go has a link's size as it is said, and no content for it; a sparse file's is the whole file's.
        (
            "size",
            *is_sparse || i64::try_from(member.size) == Ok(number("Size")) || matches!(kind, b'1'..=b'6'),
        ),
        ("content", *is_sparse || format!("sha256:{}", text("Content")) == Digest::of(content).to_string()),
        ("attributes", Value::Object(xattrs) == theirs["Xattrs"]),
    ];
    let wrong: Vec<&str> = checks.iter().filter(|(_, is_right)| !is_right).map(|(what, _)| *what).collect();
    (!wrong.is_empty()).then(|| format!("{wrong:?}: {ours:?} is {theirs}"))
}

/// Compares a layer that strake takes. `None`: it does not.
fn compare(readers: &mut Readers, archive: &[u8]) -> Option<Result<(), String>> {
    check_layer(archive).ok()?;
    let ours = members(archive, Access::Buffer).unwrap();
    let theirs = readers.ask(b't', archive);
    let Some(found) = theirs["value"].as_array() else {
        return Some(Err(format!("Go refuses it: {theirs}")));
    };
    if found.len() != ours.len() {
        return Some(Err(format!("{} members are {} to Go", ours.len(), found.len())));
    }
    let mut differences =
        ours.iter().zip(found).filter_map(|(ours, theirs)| difference(archive, ours, theirs));
    Some(differences.next().map_or(Ok(()), Err))
}

#[test]
#[ignore = "needs readers"]
fn layers_as_go_reads_them() {
    let readers = RefCell::new(Readers::start());
    let count = RefCell::new(Count::default());
    let ran = runner(file!()).run(&archive(), |archive| {
        match compare(&mut readers.borrow_mut(), &archive) {
            None => count.borrow_mut().refused += 1,
            Some(compared) => {
                count.borrow_mut().taken += 1;
                prop_assert_eq!(compared, Ok(()), "{}", archive.escape_ascii());
            }
        }
        Ok(())
    });
    ran.unwrap_or_else(|error| panic!("{error}"));
    count.into_inner().finish("layers");
}
