//! Access rules: users, and tokens that are valid for a scope, a time, a number of requests.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use super::digest::digest;

/// The authentication of a registry's clients.
#[derive(Clone, Debug, Default)]
pub enum Auth {
    /// Everybody may do everything.
    #[default]
    Anyone,
    /// A user and a password with each request.
    Basic(String, String),
    /// Tokens, which a token endpoint gives away.
    Token(Tokens),
}

/// How a token endpoint works.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The users that get tokens, with their passwords.
    pub user: String,
    /// The password.
    pub password: String,
    /// The value that is accepted as `refresh_token`. Without it there is only GET, and POST gets 405.
    pub identity_token: Option<String>,
    /// Whether those who do not say who they are get tokens, with which they can pull.
    pub anonymous_pull: bool,
    /// Whether the endpoint has a port of its own.
    pub other_port: bool,
    /// The names of the field that the token is in.
    pub fields: &'static [&'static str],
    /// How long a token is good, in seconds. The answer has no `expires_in` if this is none; then it is 60.
    pub expires_in: Option<u64>,
    /// How many requests a token is good for.
    pub uses: Option<u32>,
    /// Actions in repositories that no token is good for, whatever is asked.
    pub denied: Vec<(String, &'static str)>,
    /// Signs tokens for a registry that is another program.
    pub signer: Option<crate::certificates::Signer>,
}

impl Tokens {
    /// An endpoint on the registry's port, for one user.
    pub fn new(user: &str, password: &str) -> Self {
        Self {
            user: user.to_owned(),
            password: password.to_owned(),
            identity_token: None,
            anonymous_pull: false,
            other_port: false,
            fields: &["token", "access_token"],
            expires_in: Some(300),
            uses: None,
            denied: Vec::new(),
            signer: None,
        }
    }
}

/// Actions in repositories.
pub(super) type Scope = BTreeSet<(String, String)>;

/// The scopes of the issued tokens.
#[derive(Default)]
pub(super) struct Grants(HashMap<String, Grant>);

struct Grant {
    scope: Scope,
    expires: Instant,
    uses: u32,
}

impl Grants {
    /// Makes a token.
    pub(super) fn issue(&mut self, scope: Scope, tokens: &Tokens) -> String {
        let token = format!("token-{}.{}", self.0.len() + 1, digest(&self.0.len().to_le_bytes()));
        let expires = Instant::now() + Duration::from_secs(tokens.expires_in.unwrap_or(60));
        self.0.insert(token.clone(), Grant { scope, expires, uses: tokens.uses.unwrap_or(u32::MAX) });
        token
    }

    /// Whether no token is good any more.
    pub(super) fn have_expired(&self) -> bool {
        self.0.values().all(|grant| Instant::now() >= grant.expires)
    }

    /// Uses a token. Says what is wrong if it is not good for that.
    pub(super) fn spend(&mut self, token: &str, needed: &Scope) -> Result<(), &'static str> {
        let grant = self.0.get_mut(token).ok_or("invalid_token")?;
        if grant.uses == 0 || Instant::now() >= grant.expires {
            return Err("invalid_token");
        }
        grant.uses -= 1;
        if needed.is_subset(&grant.scope) { Ok(()) } else { Err("insufficient_scope") }
    }
}

/// The registry's name at the token endpoint.
pub const SERVICE: &str = "strake.test";

/// A scope as it is written: `repository:a:pull,push repository:b:pull`.
pub(super) fn words(scope: &Scope) -> String {
    let repositories: BTreeSet<&String> = scope.iter().map(|(repository, _)| repository).collect();
    let words = repositories.into_iter().map(|repository| {
        let actions = scope.iter().filter(|(other, _)| other == repository);
        let actions: Vec<&str> = actions.map(|(_, action)| action.as_str()).collect();
        format!("repository:{repository}:{}", actions.join(","))
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The scope that such words are about. Scopes of other types are left out.
pub(super) fn scope(words: &[String]) -> Scope {
    let mut scope = Scope::new();
    for word in words.iter().flat_map(|words| words.split_whitespace()) {
        let named = word.strip_prefix("repository:").and_then(|rest| rest.rsplit_once(':'));
        let Some((repository, actions)) = named else { continue };
        scope.extend(actions.split(',').map(|action| (repository.to_owned(), action.to_owned())));
    }
    scope
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_and_written() {
        for (given, expected) in [
            (&["repository:a/b:push,pull"][..], "repository:a/b:pull,push"),
            (&["repository:b:pull repository:a:pull"], "repository:a:pull repository:b:pull"),
            (&["repository:a:pull", "repository:a:push", "registry:catalog:*"], "repository:a:pull,push"),
            (&["repository:localhost:5000/a:pull"], "repository:localhost:5000/a:pull"),
            (&[], ""),
        ] {
            let given: Vec<String> = given.iter().map(ToString::to_string).collect();
            assert_eq!(words(&scope(&given)), expected);
        }
    }
}
