//! The token endpoint: GET with Basic credentials, POST with a password or an identity token.

use std::io::{Read, Result};

use serde_json::json;

use super::auth::{self, Auth, Scope, Tokens};
use super::challenge::credentials;
use super::exchange::Exchange;
use super::http::{Body, parameters};
use super::response::Response;

/// Answers a request for a token.
pub(super) fn token(exchange: &Exchange, body: &mut Body) -> Result<Response> {
    let mut form = Vec::new();
    body.read_to_end(&mut form)?;
    let Auth::Token(tokens) = &exchange.personality.auth else {
        return Ok(Response::error(404, "UNSUPPORTED", "there are no tokens here"));
    };
    Ok(match exchange.head.method.as_str() {
        "GET" => get(exchange, tokens),
        "POST" if tokens.identity_token.is_some() => post(exchange, tokens, &form),
        _ => Response::new(405).with("Allow", "GET"),
    })
}

fn get(exchange: &Exchange, tokens: &Tokens) -> Response {
    let head = exchange.head;
    if head.parameter("service").as_deref() != Some(auth::SERVICE) {
        return Response::error(400, "UNSUPPORTED", "the service is another one");
    }
    let asked = auth::scope(&head.parameters("scope"));
    match credentials(head) {
        Some((user, password)) if user == tokens.user && password == tokens.password => {
            issue(exchange, tokens, asked, None)
        }
        None if tokens.anonymous_pull => {
            let pulls = asked.into_iter().filter(|(_, action)| action == "pull").collect();
            issue(exchange, tokens, pulls, None)
        }
        _ => Response::error(401, "UNAUTHORIZED", "wrong user or password")
            .with("Www-Authenticate", "Basic realm=\"tokens of strake's tests\""),
    }
}

fn post(exchange: &Exchange, tokens: &Tokens, form: &[u8]) -> Response {
    let field = |name: &str| parameters(form, name).into_iter().next();
    let is = |name: &str, value: &str| field(name).as_deref() == Some(value);
    if !is("service", auth::SERVICE) || field("client_id").is_none() {
        return Response::json(400, &json!({"error": "invalid_request"}));
    }
    let identity = tokens.identity_token.as_deref().unwrap_or_default();
    let knows = match field("grant_type").as_deref() {
        Some("refresh_token") => is("refresh_token", identity),
        Some("password") => is("username", &tokens.user) && is("password", &tokens.password),
        _ => return Response::json(400, &json!({"error": "unsupported_grant_type"})),
    };
    if !knows {
        return Response::json(401, &json!({"error": "invalid_grant"}));
    }
    let asked = auth::scope(&parameters(form, "scope"));
    issue(exchange, tokens, asked, Some(identity))
}

fn issue(exchange: &Exchange, tokens: &Tokens, mut scope: Scope, refresh: Option<&str>) -> Response {
    // Everything, as clients ask for it that delete.
    let all: Vec<String> =
        scope.iter().filter(|(_, action)| action == "*").map(|(name, _)| name.clone()).collect();
    for name in all {
        scope.extend(["pull", "push", "delete"].map(|action| (name.clone(), action.to_owned())));
    }
    scope.retain(|(repository, action)| {
        !tokens.denied.iter().any(|denied| denied.0 == *repository && denied.1 == action)
    });
    let token = match &tokens.signer {
        Some(signer) => signer.token(&tokens.user, auth::SERVICE, &scope),
        None => exchange.context.state().grants.issue(scope, tokens),
    };
    let mut answer = json!({});
    for field in if refresh.is_some() { &["access_token"] } else { tokens.fields } {
        answer[field] = json!(token);
    }
    if let Some(seconds) = tokens.expires_in {
        answer["expires_in"] = json!(seconds);
    }
    if let Some(refresh) = refresh {
        answer["refresh_token"] = json!(refresh);
    }
    Response::json(200, &answer)
}
