//! What programs would read differently, and what contradicts what it describes: each by itself, in a layout that is right
//! otherwise.

mod contradictions;
mod texts;

use crate::fixture::{Document, layout};
use crate::json::{Json, quoted};

/// A change to a value.
pub(super) enum Edit {
    /// An entry more, as it is written.
    Add(&'static str, &'static str),
    /// Another value, as it is written.
    Set(&'static str),
    /// Without this key.
    Remove(&'static str),
    /// This key is written in another way.
    Key(&'static str, &'static str),
    /// Anything.
    By(fn(&mut Json)),
    /// Anything to the whole text.
    Bytes(fn(&str) -> Vec<u8>),
}

fn edited(text: &str, path: &str, edit: &Edit) -> Vec<u8> {
    let mut document = Json::parse(text);
    let value = document.at(path);
    match edit {
        Edit::Add(key, more) => value.entries().push(((*key).to_owned(), Json::Raw((*more).to_owned()))),
        Edit::Set(new) => *value = Json::Raw((*new).to_owned()),
        Edit::Remove(key) => value.entries().retain(|(name, _)| *name != quoted(key)),
        Edit::Key(key, new) => {
            let entry = value.entries().iter_mut().find(|(name, _)| *name == quoted(key));
            (*new).clone_into(&mut entry.unwrap().0);
        }
        Edit::By(change) => change(value),
        Edit::Bytes(change) => return change(text),
    }
    document.text().into_bytes()
}

/// The words that the problem has, the document, the place in it, what is done there.
pub(super) type Case = (&'static str, Document, &'static str, Edit);

/// Has each of these found.
pub(super) fn check(cases: &[Case]) {
    let mut missed = Vec::new();
    for (words, document, path, edit) in cases {
        let problems = layout(*document, |text| edited(text, path, edit)).problems();
        if !problems.iter().any(|problem| problem.contains(words)) {
            missed.push(format!("{document:?} {path}: {words}: {problems:?}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

pub(super) fn capitals(value: &mut Json) {
    *value = Json::Raw(value.text().replace("sha256:", "@").to_uppercase().replace('@', "sha256:"));
}
