//! Which part of the registry a request is for.

use std::io::Result;

use super::auth::Scope;
use super::digest::is_digest;
use super::exchange::Exchange;
use super::http::Body;
use super::log::Port;
use super::response::Response;
use super::state::{is_name, is_tag};
use super::{blobs, challenge, listings, manifests, tokens, uploads};

/// The resource that a path names.
#[derive(Debug, PartialEq, Eq)]
enum Route<'a> {
    Root,
    Blob(&'a str, &'a str),
    Uploads(&'a str),
    Upload(&'a str, &'a str),
    Manifest(&'a str, &'a str),
    Tags(&'a str),
    Referrers(&'a str, &'a str),
}

impl<'a> Route<'a> {
    fn of(path: &'a str) -> Option<Self> {
        let rest = path.strip_prefix("/v2/")?;
        if rest.is_empty() {
            return Some(Self::Root);
        }
        if let Some(repository) = rest.strip_suffix("/tags/list") {
            return Some(Self::Tags(repository));
        }
        if let Some((repository, session)) = rest.rsplit_once("/blobs/uploads/") {
            return Some(match session {
                "" => Self::Uploads(repository),
                _ => Self::Upload(repository, session),
            });
        }
        let (rest, last) = rest.rsplit_once('/')?;
        let (repository, kind) = rest.rsplit_once('/')?;
        match kind {
            "blobs" => Some(Self::Blob(repository, last)),
            "manifests" => Some(Self::Manifest(repository, last)),
            "referrers" => Some(Self::Referrers(repository, last)),
            _ => None,
        }
    }

    fn repository(&self) -> Option<&'a str> {
        match *self {
            Self::Root => None,
            Self::Blob(repository, _)
            | Self::Uploads(repository)
            | Self::Upload(repository, _)
            | Self::Manifest(repository, _)
            | Self::Tags(repository)
            | Self::Referrers(repository, _) => Some(repository),
        }
    }
}

/// Carries a request out and answers it. Fails if the client's connection is lost.
pub(super) fn answer(exchange: &Exchange, body: &mut Body) -> Result<Response> {
    let head = exchange.head;
    match exchange.port {
        Port::Tokens if head.path == "/token" => return tokens::token(exchange, body),
        Port::Registry if head.path == "/token" && !exchange.tokens_have_a_port() => {
            return tokens::token(exchange, body);
        }
        Port::Tokens => return Ok(Response::new(404)),
        Port::Registry | Port::Storage => {}
    }
    let Some(route) = Route::of(&head.path) else { return Ok(Response::new(404)) };
    let method = head.method.as_str();
    let allowed = if exchange.port == Port::Storage {
        storage_check(exchange, &route)
    } else {
        challenge::check(exchange, &needed(exchange, &route))
    };
    if let Err(response) = allowed.and_then(|()| well_formed(&route)) {
        return Ok(*response);
    }
    match (method, route) {
        ("GET" | "HEAD", Route::Root) => {
            let root = Response::json(200, &serde_json::json!({}));
            Ok(root.with("Docker-Distribution-Api-Version", "registry/2.0"))
        }
        ("GET" | "HEAD", Route::Blob(repository, digest)) => Ok(blobs::get(exchange, repository, digest)),
        ("DELETE", Route::Blob(repository, digest)) => Ok(blobs::delete(exchange, repository, digest)),
        ("POST", Route::Uploads(repository)) => uploads::start(exchange, repository, body),
        ("PATCH", Route::Upload(repository, session)) => uploads::patch(exchange, repository, session, body),
        ("PUT", Route::Upload(repository, session)) => uploads::commit(exchange, repository, session, body),
        ("GET", Route::Upload(repository, session)) => Ok(uploads::status(exchange, repository, session)),
        ("DELETE", Route::Upload(repository, session)) => Ok(uploads::cancel(exchange, repository, session)),
        ("GET" | "HEAD", Route::Manifest(repository, reference)) => {
            Ok(manifests::get(exchange, repository, reference))
        }
        ("PUT", Route::Manifest(repository, reference)) => {
            manifests::put(exchange, repository, reference, body)
        }
        ("DELETE", Route::Manifest(repository, reference)) => {
            Ok(manifests::delete(exchange, repository, reference))
        }
        ("GET", Route::Tags(repository)) => Ok(listings::tags(exchange, repository)),
        ("GET", Route::Referrers(repository, digest)) => {
            Ok(listings::referrers(exchange, repository, digest))
        }
        _ => Ok(Response::error(405, "UNSUPPORTED", "no such operation")),
    }
}

/// The access that a client needs. As in distribution, mounting needs the other repository, too.
fn needed(exchange: &Exchange, route: &Route) -> Scope {
    let Some(repository) = route.repository() else { return Scope::new() };
    let actions = match (exchange.head.method.as_str(), route) {
        ("GET" | "HEAD", Route::Upload(..)) => &["pull", "push"][..],
        ("GET" | "HEAD", _) => &["pull"],
        ("DELETE", Route::Blob(..) | Route::Manifest(..)) => &["delete"],
        _ => &["pull", "push"],
    };
    let mut scope: Scope =
        actions.iter().map(|action| (repository.to_owned(), (*action).to_owned())).collect();
    let mounts = exchange.head.method == "POST" && exchange.head.parameter("mount").is_some();
    if let (true, Some(from)) = (mounts, exchange.head.parameter("from")) {
        scope.insert((from, "pull".to_owned()));
    }
    scope
}

/// On the other host URLs are good by themselves. Real ones refuse requests that have credentials as well.
fn storage_check(exchange: &Exchange, route: &Route) -> std::result::Result<(), Box<Response>> {
    if exchange.head.header("authorization").is_some() || exchange.head.header("cookie").is_some() {
        exchange.context.violation(format!("credentials came to the other host with {}", exchange.head.path));
        return Err(Box::new(Response::error(
            400,
            "UNSUPPORTED",
            "there are credentials already in the URL",
        )));
    }
    match route {
        Route::Upload(..) => Ok(()),
        Route::Blob(..) if exchange.head.parameter("signature").as_deref() == Some(blobs::SIGNATURE) => {
            Ok(())
        }
        _ => Err(Box::new(Response::error(403, "DENIED", "not signed"))),
    }
}

fn well_formed(route: &Route) -> std::result::Result<(), Box<Response>> {
    let bad = |code, message: &str| Err(Box::new(Response::error(400, code, message)));
    if route.repository().is_some_and(|repository| !is_name(repository)) {
        return bad("NAME_INVALID", "not a repository's name");
    }
    match *route {
        Route::Blob(_, digest) | Route::Referrers(_, digest) if !is_digest(digest) => {
            bad("DIGEST_INVALID", "not a digest")
        }
        Route::Manifest(_, reference) if !is_digest(reference) && !is_tag(reference) => {
            bad("TAG_INVALID", "not a tag or digest")
        }
        _ => Ok(()),
    }
}
