//! Tokens: a registry requires them, and a token server issues them.
//!
//! Protocol: the distribution project's "token authentication specification", and its `OAuth2` variant for identity tokens.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// A token is used for as long as the specification says where nobody says how long it may be.
const DEFAULT_LIFE: Duration = Duration::from_secs(60);

/// It is not used in the last part of its life, for it must still be good when it arrives.
const MARGIN: Duration = Duration::from_secs(10);

/// No answer with a token is longer, in bytes.
pub(crate) const MAX_ANSWER: u64 = 1024 * 1024;

/// Tokens by what they are for.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<HashMap<String, Token>>);

struct Token {
    text: String,
    until: SystemTime,
}

#[derive(serde::Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Tokens {
    /// The token for this purpose that is still good.
    pub(crate) fn get(&self, purpose: &str, now: SystemTime) -> Option<String> {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(purpose).filter(|token| token.until > now).map(|token| token.text.clone())
    }

    /// Reads a token out of an answer and keeps it. `None`: there is none in it.
    pub(crate) fn keep(&self, purpose: &str, answer: &[u8], now: SystemTime) -> Option<String> {
        let answer: TokenAnswer = serde_json::from_slice(answer).ok()?;
        let text = answer.token.or(answer.access_token).filter(|text| !text.is_empty())?;
        let life = answer.expires_in.map_or(DEFAULT_LIFE, Duration::from_secs);
        let life = life.saturating_sub(MARGIN).max(life / 2).min(Duration::from_secs(24 * 3600));
        let token = Token { text: text.clone(), until: now + life };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(purpose.to_owned(), token);
        Some(text)
    }

    /// The token for this purpose is not good after all.
    pub(crate) fn forget(&self, purpose: &str, text: &str) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.get(purpose).is_some_and(|token| token.text == text) {
            tokens.remove(purpose);
        }
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}
