//! The tags of a repository.
//!
//! Protocol: the OCI distribution specification 1.1, "content discovery". A registry answers in pages, and says in a `Link` header
//! (RFC 8288) where the next one is.

use serde::Deserialize;
use strake_image::reference::is_tag;
use ureq::Body;
use ureq::http::{Method, Response, Uri};

use crate::answer::header;
use crate::call::{Call, Scope};
use crate::error::RemoteError;
use crate::repository::Repository;

/// How many tags a page may have, as it is asked for. Registries may send fewer, and some send all.
const PAGE: usize = 1000;

/// The maximum size of the names of all tags, in bytes: 16 MiB, enough for a million of usual length.
const MAX_NAMES: usize = 16 * 1024 * 1024;

/// The tags of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tags {
    /// Their names, in the registry's order.
    pub names: Vec<String>,
    /// Whether these are all of them.
    pub is_whole: bool,
}

#[derive(Deserialize)]
struct Page {
    tags: Option<Vec<String>>,
}

impl Repository {
    /// Lists the tags, up to a maximum number of pages. `None`: the repository does not exist. Invalid names are left out.
    pub fn tags(&self, most_pages: usize) -> Result<Option<Tags>, RemoteError> {
        let what = format!("list the tags of {}/{}", self.host(), self.name());
        let first = self.path(&format!("tags/list?n={PAGE}"));
        let mut call = Call::new(&what, Method::GET, first, Scope::Pull);
        let mut names = Vec::new();
        for _ in 0..most_pages {
            let (answer, text) = self.get_json(&call)?;
            if answer.status() == 404 {
                return Ok(None);
            }
            let page: Page =
                serde_json::from_slice(&text).map_err(|_| self.odd(&call, "it is no list of tags"))?;
            names.extend(page.tags.unwrap_or_default().into_iter().filter(|tag| is_tag(tag)));
            if names.iter().map(String::len).sum::<usize>() > MAX_NAMES {
                return Err(self.odd(&call, "its list of tags is longer than any list of tags"));
            }
            match self.next_page(&call, &answer)? {
                None => return Ok(Some(Tags { names, is_whole: true })),
                Some(next) if next == call.url => {
                    return Err(self.odd(&call, "its list of tags leads back to the same page"));
                }
                Some(next) => call.url = next,
            }
        }
        Ok(Some(Tags { names, is_whole: false }))
    }

    /// Where an answer says that the next page is: at the same registry, since credentials go along.
    fn next_page(&self, call: &Call<'_>, answer: &Response<Body>) -> Result<Option<String>, RemoteError> {
        let Some(link) = header(answer, "link").and_then(next_link) else { return Ok(None) };
        let asked = self.origin().absolute(&call.url, None);
        let url: Option<Uri> = self.origin().absolute(link, asked.as_ref());
        match url.filter(|url| self.origin().has(url)) {
            Some(url) => Ok(Some(url.to_string())),
            None => Err(self.odd(call, "its list of tags goes on at another host")),
        }
    }
}

/// The target of the link of the relation "next", in a header of one or several links.
fn next_link(header: &str) -> Option<&str> {
    let is_next = |parameter: &str| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let mut words = value.trim().trim_matches('"').split(' ');
        name.trim().eq_ignore_ascii_case("rel") && words.any(|word| word.eq_ignore_ascii_case("next"))
    };
    header.split('<').skip(1).find_map(|link| {
        let (target, parameters) = link.split_once('>')?;
        parameters.split([';', ',']).any(is_next).then_some(target)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links() {
        for (header, expected) in [
            ("</v2/a/tags/list?n=2&last=b>; rel=\"next\"", Some("/v2/a/tags/list?n=2&last=b")),
            ("</v2/a?last=b>;rel=next", Some("/v2/a?last=b")),
            ("<https://a/b,c>; title=\"x\"; REL=\"prev Next\"", Some("https://a/b,c")),
            ("</one>; rel=\"prev\", </two>; rel=\"next\"", Some("/two")),
            ("</one>; rel=\"prev\"", None),
            ("", None),
            ("/v2/a; rel=next", None),
            ("<unfinished", None),
        ] {
            assert_eq!(next_link(header), expected, "{header}");
        }
    }
}
