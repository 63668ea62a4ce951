//! Where a registry is.

use ureq::http::Uri;

use crate::transport::host_of;

/// Where a registry is.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// What the user calls it.
    pub(crate) host: String,
    /// `https://host`.
    pub(crate) base: String,
}

impl Origin {
    /// Its host, with its port if it has one.
    pub(crate) fn address(&self) -> &str {
        self.base.split_once("://").map_or("", |(_, host)| host)
    }

    /// Whether the URL leads to the registry that the user has named, so that it may know who asks.
    pub(crate) fn has(&self, url: &Uri) -> bool {
        let scheme = url.scheme_str().unwrap_or_default();
        plain(&format!("{scheme}://{}", host_of(url))) == plain(&self.base)
    }

    /// A URL out of a path, or out of what a registry says, relative to where it says so.
    pub(crate) fn absolute(&self, text: &str, from: Option<&Uri>) -> Option<Uri> {
        let origin = match from {
            Some(from) => format!("{}://{}", from.scheme_str()?, from.authority()?),
            None => self.base.clone(),
        };
        let text = if text.starts_with("//") {
            format!("{}:{text}", origin.split_once(':')?.0)
        } else if text.starts_with('/') {
            format!("{origin}{text}")
        } else if text.contains("://") {
            // Registries behind a proxy that speaks TLS for them may not know that it does.
            match self.base.strip_prefix("https://").zip(text.strip_prefix("http://")) {
                Some((host, rest)) if rest.split(['/', '?']).next() == Some(host) => {
                    format!("https://{rest}")
                }
                _ => text.to_owned(),
            }
        } else {
            let path = from.map_or("/", |from| from.path());
            let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
            format!("{origin}{directory}/{text}")
        };
        let url: Uri = text.parse().ok()?;
        (matches!(url.scheme_str(), Some("http" | "https")) && url.authority().is_some()).then_some(url)
    }
}

/// An origin in small letters, without the port that its scheme has anyway.
fn plain(origin: &str) -> String {
    let origin = origin.to_ascii_lowercase();
    let port = if origin.starts_with("https:") { ":443" } else { ":80" };
    origin.strip_suffix(port).map_or(origin.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_place_in_other_words() {
        let has = |base: &str, url: &str| {
            Origin { host: String::new(), base: base.to_owned() }.has(&url.parse().unwrap())
        };
        for (base, url, expected) in [
            ("https://a.example", "https://a.example:443/v2/", true),
            ("https://a.example", "https://A.Example/v2/", true),
            ("http://a.example:80", "http://a.example/v2/", true),
            ("https://a.example", "http://a.example/v2/", false),
            ("https://a.example", "https://a.example:80/v2/", false),
            ("https://a.example:5000", "https://a.example/v2/", false),
            ("https://a.example", "https://a.example.org/v2/", false),
        ] {
            assert_eq!(has(base, url), expected, "{base} {url}");
        }
    }
}
