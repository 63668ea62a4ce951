//! Where a registry is.

use ureq::http::Uri;

use crate::internal::is_internal;
use crate::transport::host_of;

/// Why a URL is not asked.
const PLAIN: &str = "that is without TLS, and the registry is not";
const INTERNAL: &str =
    "that is an address of this machine or of a private network, and the registry's is not";
const ELSEWHERE: &str = "a registry without TLS must not have credentials sent to another host";

/// Where a registry is.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// The name that the user gave.
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

    /// Whether the registry may have us fetch something from there, or send a blob there. `verified`: the user relies on TLS.
    pub(crate) fn may_lead_to(&self, url: &Uri, verified: bool) -> Result<(), &'static str> {
        if self.has(url) {
            return Ok(());
        }
        self.stays_outside(url)?;
        if verified && self.is_secure() && url.scheme_str() != Some("https") { Err(PLAIN) } else { Ok(()) }
    }

    /// Whether the registry may have its tokens fetched there. `shown`: credentials are shown for them.
    pub(crate) fn may_give_tokens(&self, realm: &Uri, shown: bool) -> Result<(), &'static str> {
        if self.has(realm) {
            return Ok(());
        }
        if self.is_secure() && realm.scheme_str() != Some("https") {
            return Err(PLAIN);
        }
        self.stays_outside(realm)?;
        if shown && !self.is_secure() && !self.is_on(realm) { Err(ELSEWHERE) } else { Ok(()) }
    }

    /// Nobody is sent from outside to what only those inside can reach.
    fn stays_outside(&self, url: &Uri) -> Result<(), &'static str> {
        let leads_in = is_internal(url.host().unwrap_or_default()) && !is_internal(name_of(self.address()));
        if leads_in && !self.is_on(url) { Err(INTERNAL) } else { Ok(()) }
    }

    /// Whether the URL is on the registry's host, on any port.
    fn is_on(&self, url: &Uri) -> bool {
        url.host().is_some_and(|host| host.eq_ignore_ascii_case(name_of(self.address())))
    }

    fn is_secure(&self) -> bool {
        self.base.starts_with("https:")
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
            let (scheme, rest) = text.split_once("://")?;
            let host = rest.split(['/', '?', '#']).next()?;
            let is_ours = plain(&format!("https://{host}")) == plain(&self.base);
            if is_ours && scheme.eq_ignore_ascii_case("http") {
                format!("https://{rest}")
            } else {
                text.to_owned()
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

/// A host without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    }
}

/// An origin in lowercase, without its scheme's default port.
fn plain(origin: &str) -> String {
    let origin = origin.to_ascii_lowercase();
    let port = if origin.starts_with("https:") { ":443" } else { ":80" };
    origin.strip_suffix(port).map_or(origin.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(base: &str) -> Origin {
        Origin { host: String::new(), base: base.to_owned() }
    }

    const SECURE: &str = "https://a.example";
    const OPEN: &str = "http://a.example:5000";
    const HERE: &str = "http://127.0.0.1:5000";

    #[test]
    fn where_it_may_lead() {
        // The results with TLS verification, and with --tls-verify=false.
        for (base, url, expected) in [
            (SECURE, "https://a.example/v2/", [Ok(()); 2]),
            (SECURE, "https://blobs.example.org/x", [Ok(()); 2]),
            (SECURE, "http://blobs.example.org/x", [Err(PLAIN), Ok(())]),
            (SECURE, "http://a.example:81/x", [Err(PLAIN), Ok(())]),
            (SECURE, "https://169.254.169.254/latest", [Err(INTERNAL); 2]),
            (SECURE, "http://0xa9fea9fe/latest", [Err(INTERNAL); 2]),
            (SECURE, "https://localhost/x", [Err(INTERNAL); 2]),
            (SECURE, "https://[::1]:80/x", [Err(INTERNAL); 2]),
            (OPEN, "http://blobs.example.org/x", [Ok(()); 2]),
            (OPEN, "https://blobs.example.org/x", [Ok(()); 2]),
            (OPEN, "http://10.1.2.3/x", [Err(INTERNAL); 2]),
            (HERE, "http://127.0.0.1:9000/x", [Ok(()); 2]),
            (HERE, "http://localhost:9000/x", [Ok(()); 2]),
            ("https://10.0.0.5", "https://10.0.0.6/x", [Ok(()); 2]),
            ("https://10.0.0.5", "http://10.0.0.6/x", [Err(PLAIN), Ok(())]),
            ("https://[fd00::1]:5000", "https://[fd00::1]:9000/x", [Ok(()); 2]),
        ] {
            let found =
                [true, false].map(|verified| origin(base).may_lead_to(&url.parse().unwrap(), verified));
            assert_eq!(found, expected, "{base} {url}");
        }
    }

    #[test]
    fn where_tokens_may_come_from() {
        // Without credentials and with them.
        for (base, realm, expected) in [
            (SECURE, "https://a.example/token", [Ok(()); 2]),
            (SECURE, "https://auth.example.org/token", [Ok(()); 2]),
            (SECURE, "http://auth.example.org/token", [Err(PLAIN); 2]),
            (SECURE, "http://a.example:80/token", [Err(PLAIN); 2]),
            (SECURE, "https://169.254.169.254/token", [Err(INTERNAL); 2]),
            (OPEN, "http://a.example:5000/token", [Ok(()); 2]),
            (OPEN, "http://A.example:5001/token", [Ok(()); 2]),
            (OPEN, "https://a.example/token", [Ok(()); 2]),
            (OPEN, "http://auth.example.org/token", [Ok(()), Err(ELSEWHERE)]),
            (OPEN, "https://auth.example.org/token", [Ok(()), Err(ELSEWHERE)]),
            (OPEN, "http://127.0.0.1/token", [Err(INTERNAL); 2]),
            (HERE, "http://127.0.0.1:5001/token", [Ok(()); 2]),
            (HERE, "http://localhost:5001/token", [Ok(()), Err(ELSEWHERE)]),
            ("http://10.0.0.5:5000", "http://10.0.0.5:5001/token", [Ok(()); 2]),
        ] {
            let found =
                [false, true].map(|shown| origin(base).may_give_tokens(&realm.parse().unwrap(), shown));
            assert_eq!(found, expected, "{base} {realm}");
        }
    }

    #[test]
    fn urls_in_answers() {
        for (base, text, from, expected) in [
            (SECURE, "/v2/x?a=b", None, Some("https://a.example/v2/x?a=b")),
            (SECURE, "/x", Some("https://b.example/y"), Some("https://b.example/x")),
            (SECURE, "x", Some("https://b.example/y/z"), Some("https://b.example/y/x")),
            (SECURE, "//c.example/x", None, Some("https://c.example/x")),
            (SECURE, "http://a.example/x", None, Some("https://a.example/x")),
            (SECURE, "HTTP://A.example:443/x", None, Some("https://A.example:443/x")),
            (SECURE, "http://a.example:80/x", None, Some("http://a.example:80/x")),
            (SECURE, "http://a.example@b.example/x", None, Some("http://a.example@b.example/x")),
            (OPEN, "https://a.example/x", None, Some("https://a.example/x")),
            (SECURE, "ftp://a.example/x", None, None),
            (SECURE, "file:///etc/passwd", None, None),
            (SECURE, "http://", None, None),
        ] {
            let from = from.map(|from: &str| from.parse().unwrap());
            let found = origin(base).absolute(text, from.as_ref()).map(|url| url.to_string());
            assert_eq!(found.as_deref(), expected, "{base} {text}");
        }
    }

    #[test]
    fn the_same_place_in_other_words() {
        for (base, url, expected) in [
            ("https://a.example", "https://a.example:443/v2/", true),
            ("https://a.example", "https://A.Example/v2/", true),
            ("http://a.example:80", "http://a.example/v2/", true),
            ("https://a.example", "http://a.example/v2/", false),
            ("https://a.example", "https://a.example:80/v2/", false),
            ("https://a.example:5000", "https://a.example/v2/", false),
            ("https://a.example", "https://a.example.org/v2/", false),
        ] {
            assert_eq!(origin(base).has(&url.parse().unwrap()), expected, "{base} {url}");
        }
    }
}
