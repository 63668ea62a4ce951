//! Credentials for registries.

use std::fmt;

use data_encoding::BASE64;

/// Credentials. They are never printed.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A name and a password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// A token with which tokens are fetched.
    IdentityToken(String),
    /// A token that is shown as it is.
    RegistryToken(String),
}

impl Credentials {
    /// Reads `USER:PASSWORD`.
    pub fn parse(text: &str) -> Option<Self> {
        let (user, password) = text.split_once(':')?;
        (!user.is_empty()).then(|| Self::Password { user: user.to_owned(), password: password.to_owned() })
    }

    /// The header's value for a name and a password: RFC 7617.
    pub(crate) fn basic(&self) -> Option<String> {
        let Self::Password { user, password } = self else { return None };
        Some(format!("Basic {}", BASE64.encode(format!("{user}:{password}").as_bytes())))
    }

    /// The secret part.
    pub(crate) fn secret(&self) -> &str {
        match self {
            Self::Password { password: secret, .. }
            | Self::IdentityToken(secret)
            | Self::RegistryToken(secret) => secret,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_passwords() {
        let credentials = Credentials::parse("user:pass:word").unwrap();
        assert_eq!(credentials.basic().as_deref(), Some("Basic dXNlcjpwYXNzOndvcmQ="));
        assert_eq!(format!("{credentials:?}"), "Credentials");
        for refused in ["", "user", ":password"] {
            assert!(Credentials::parse(refused).is_none(), "{refused}");
        }
    }
}
