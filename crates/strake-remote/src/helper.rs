//! Programs that keep credentials.
//!
//! Protocol: docker-credential-helpers: `docker-credential-NAME get` reads the registry's name on stdin and writes JSON.

use std::io::{Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::credentials::Credentials;
use crate::error::RemoteError;

/// It may ask its user something, but not for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// So long it is slept until it is looked again whether it has ended.
const TICK: Duration = Duration::from_millis(5);

/// More than this is not read of its answer, in bytes.
const MAX_ANSWER: u64 = 1024 * 1024;

/// A name that says that the secret is an identity token.
const TOKEN: &str = "<token>";

#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
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
    let mut command = Command::new(&program);
    let (status, answer) = ask(command.arg("get"), server, PATIENCE).map_err(failed)?;
    if !status.success() {
        // All of them say it in these words.
        let said = String::from_utf8_lossy(&answer);
        let has_none = said.contains("credentials not found") || said.contains("no credentials");
        return if has_none { Ok(None) } else { Err(failed("it fails".to_owned())) };
    }
    // The answer is secret, and no part of any message.
    let HelperAnswer { username, secret } =
        serde_json::from_slice(&answer).map_err(|_| failed("its answer makes no sense".to_owned()))?;
    Ok(match username.as_str() {
        "" if secret.is_empty() => None,
        TOKEN => Some(Credentials::IdentityToken(secret)),
        _ => Some(Credentials::Password { user: username, password: secret }),
    })
}

/// Runs a program with something on its stdin, and returns what it writes and how it ends, or why that cannot be had.
fn ask(program: &mut Command, stdin: &str, patience: Duration) -> Result<(ExitStatus, Vec<u8>), String> {
    let program = program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = program.spawn().map_err(|error| error.to_string())?;
    if let Some(mut pipe) = child.stdin.take() {
        // One that does not read it will say so by its answer.
        let _ = pipe.write_all(stdin.as_bytes());
    }
    let stdout = child.stdout.take().expect("stdout is a pipe");
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut answer = Vec::new();
        let read = stdout.take(MAX_ANSWER).read_to_end(&mut answer);
        let _ = sender.send(read.map(|_| answer));
    });
    let answer = receiver.recv_timeout(patience);
    if answer.is_err() {
        let _ = child.kill();
    }
    let answer = answer.map_err(|_| "it does not answer".to_owned());
    // One that has answered has nothing more to do.
    let mut left = patience;
    let status = loop {
        match child.try_wait() {
            Ok(None) if left > TICK => {
                std::thread::sleep(TICK);
                left -= TICK;
            }
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err("it does not end".to_owned());
            }
            ended => break ended.map_err(|error| error.to_string())?.expect("it has ended"),
        }
    };
    Ok((status, answer?.map_err(|error| error.to_string())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(script: &str, expected: Result<&str, &str>) {
        let mut shell = Command::new("sh");
        let patience = Duration::from_millis(500);
        let found = ask(shell.args(["-c", script]), "server", patience);
        let found = found.map(|(_, answer)| String::from_utf8(answer).unwrap());
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{script}");
    }

    #[test]
    fn programs_of_all_kinds() {
        check("cat", Ok("server"));
        check("exec <&-; echo answer; exit 1", Ok("answer\n"));
        check("sleep 1000", Err("it does not answer"));
        check("echo answer; sleep 1000", Err("it does not answer"));
        check("echo answer; exec >&-; exec sleep 1000", Err("it does not end"));
    }
}
