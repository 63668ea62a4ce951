//! Programs that keep credentials.
//!
//! Protocol: docker-credential-helpers: `docker-credential-NAME get` reads the registry's name on stdin and writes JSON.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::credentials::Credentials;
use crate::error::RemoteError;

/// It may ask its user something, but not for ever.
const PATIENCE: Duration = Duration::from_mins(1);

/// More than this is not read of its answer, in bytes.
const MAX_ANSWER: u64 = 1024 * 1024;

/// A name that says that the secret is an identity token.
const TOKEN: &str = "<token>";

#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Asks the program called `name` for the credentials of `server`. `None`: it has none.
pub(crate) fn get(name: &str, server: &str, host: &str) -> Result<Option<Credentials>, RemoteError> {
    let program = format!("docker-credential-{name}");
    let failed =
        |reason: String| RemoteError::Helper { host: host.to_owned(), program: program.clone(), reason };
    if name.is_empty() || name.contains('/') {
        return Err(failed("that is not the name of a program".to_owned()));
    }
    let spawned = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = spawned.map_err(|error| failed(error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read it will say so by its answer.
        let _ = stdin.write_all(server.as_bytes());
    }
    let stdout = child.stdout.take().expect("stdout is a pipe");
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut answer = Vec::new();
        let read = stdout.take(MAX_ANSWER).read_to_end(&mut answer);
        let _ = sender.send(read.map(|_| answer));
    });
    let answer = receiver.recv_timeout(PATIENCE);
    if answer.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| failed(error.to_string()))?;
    let answer = match answer {
        Ok(read) => read.map_err(|error| failed(error.to_string()))?,
        Err(_) => return Err(failed("it does not answer".to_owned())),
    };
    if !status.success() {
        // All of them say it in these words.
        let said = String::from_utf8_lossy(&answer);
        let has_none = said.contains("credentials not found") || said.contains("no credentials");
        return if has_none { Ok(None) } else { Err(failed("it fails".to_owned())) };
    }
    // The answer is secret, and no part of any message.
    let Answer { username, secret } =
        serde_json::from_slice(&answer).map_err(|_| failed("its answer makes no sense".to_owned()))?;
    Ok(match username.as_str() {
        "" if secret.is_empty() => None,
        TOKEN => Some(Credentials::IdentityToken(secret)),
        _ => Some(Credentials::Password { user: username, password: secret }),
    })
}
