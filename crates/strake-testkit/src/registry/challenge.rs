//! Lets requests pass, or answers them with a challenge.

use data_encoding::BASE64;

use super::auth::{Auth, SERVICE, Scope, words};
use super::exchange::Exchange;
use super::http::Head;
use super::response::Response;

/// Lets a request pass, or answers it with a challenge.
pub(super) fn check(exchange: &Exchange, needed: &Scope) -> Result<(), Box<Response>> {
    let refuse = |challenge: String| {
        let response = Response::error(401, "UNAUTHORIZED", "authentication required");
        Err(Box::new(response.with("Www-Authenticate", challenge)))
    };
    match &exchange.personality.auth {
        Auth::Anyone => Ok(()),
        Auth::Basic(user, password) => match credentials(exchange.head) {
            Some(given) if given == (user.clone(), password.clone()) => Ok(()),
            _ => refuse("Basic realm=\"strake's tests\"".to_owned()),
        },
        Auth::Token(tokens) => {
            let bearer =
                exchange.head.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
            let spent = bearer.map(|token| exchange.context.state().grants.spend(token, needed));
            let error = match spent {
                Some(Ok(())) => return Ok(()),
                Some(Err(error)) => format!(",error=\"{error}\""),
                None => String::new(),
            };
            let scope = match words(needed) {
                words if words.is_empty() => String::new(),
                words => format!(",scope=\"{words}\""),
            };
            let realm = exchange.token_realm(tokens);
            refuse(format!("Bearer realm=\"{realm}\",service=\"{SERVICE}\"{scope}{error}"))
        }
    }
}

/// A user and a password that came with a request.
pub(super) fn credentials(head: &Head) -> Option<(String, String)> {
    let encoded = head.header("authorization")?.strip_prefix("Basic ")?;
    let text = String::from_utf8(BASE64.decode(encoded.as_bytes()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}
