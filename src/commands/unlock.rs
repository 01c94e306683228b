//! `oathburn unlock` and `oathburn lock`

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

use clap::Args;
use oathburn_escrow::{Agent, AgentSocket, EscrowError, Officer};
use oathburn_oath::{Clock, SystemClock, UnixTime};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::commands::Result;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Outcome, rfc3339};

/// Keep the officer's keys unlocked for a while
///
/// An agent asks for the passphrase once and then opens the escrow for every command of this user, until the time is
/// up, you run `oathburn lock`, or you log out. It never hands the keys out. Commands that are given
/// --passphrase-file do without it. Running it again begins the time anew.
#[derive(Args, Debug)]
pub(crate) struct Unlock {
    /// How long: 30m, 8h [at most 24h]
    #[arg(long = "for", value_name = "TIME", default_value = "8h", value_parser = parse_life)]
    life: Duration,
    /// Stay in the foreground, for a service manager; ends at Ctrl-C
    #[arg(long)]
    foreground: bool,
}

/// Forget the officer's keys that `oathburn unlock` keeps
///
/// Exit code 0 also when nothing was unlocked.
#[derive(Args, Debug)]
pub(crate) struct Lock {}

/// Minutes or hours, a day at most.
fn parse_life(text: &str) -> std::result::Result<Duration, String> {
    let wrong = || "minutes or hours, such as 30m or 8h, and at most 24h".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    let life = number.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds));
    life.filter(|life| (1..=24 * 3600).contains(life)).map(Duration::from_secs).ok_or_else(wrong)
}

impl Unlock {
    pub(crate) fn run(self, context: &Context) -> Result {
        if self.foreground { self.serve(context) } else { self.spawn(context) }
    }

    /// Is the agent.
    fn serve(&self, context: &Context) -> Result {
        let (_, officer) = load(context)?;
        let socket = AgentSocket::bind(&context.agent_socket()?)?;
        let until = SystemClock.now().offset(i64::try_from(self.life.as_secs()).unwrap_or(i64::MAX));
        socket.serve(officer, self.life, |in_memory| {
            if !in_memory {
                context.talk.warn("the keys' memory may be written to swap: this user may not lock memory");
            }
            let (json, text) = unlocked(context, until);
            // Whoever started it may be gone already.
            let line = if context.globals.json { format!("{json}\n") } else { text };
            let _ = io::stdout().write_all(line.as_bytes()).and_then(|()| io::stdout().flush());
        })?;
        Ok(Outcome::new(Value::Null, ""))
    }

    /// Starts an agent that outlives this command.
    fn spawn(&self, context: &Context) -> Result {
        let identity = context.identity();
        let (passphrase, officer) = load(context)?;
        // What is wrong with the file or the passphrase has been said by now, in its own words.
        drop(officer);
        let failed = |error: io::Error| {
            let message = format!("failed to start the agent: {error}");
            Failure::new(Exit::Escrow, "agent-start", message, "run `oathburn unlock --foreground` to see more")
        };
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        command.arg("--json").arg("--identity").arg(&identity);
        if passphrase.is_some() {
            command.args(["--passphrase-file", "-"]);
        }
        command.args(["unlock", "--foreground", "--for", &format!("{}s", self.life.as_secs())]);
        // Ctrl-C in this terminal is not meant for it, and no folder is kept from being unmounted by it.
        command.process_group(0).current_dir("/");
        let mut agent =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(failed)?;
        if let Some(stdin) = agent.stdin.take() {
            tell(stdin, passphrase.as_ref()).map_err(failed)?;
        }
        let mut line = String::new();
        let stdout = agent.stdout.take().map(|stdout| stdout.take(64 * 1024));
        if let Some(stdout) = stdout {
            BufReader::new(stdout).read_line(&mut line).map_err(failed)?;
        }
        let said: Value = serde_json::from_str(&line).unwrap_or_default();
        if let Some(until) = said["until"].as_str() {
            let text = format!("unlocked until {until}\n");
            return Ok(Outcome::new(said.clone(), text));
        }
        let reason = said["error"]["message"].as_str().unwrap_or("it ended without a word").to_owned();
        let _ = agent.wait();
        Err(failed(io::Error::other(reason)))
    }
}

/// The passphrase, if there is one, and the officer from the file: an agent that is there is not asked.
fn load(context: &Context) -> std::result::Result<(Option<SecretString>, Officer), Failure> {
    let identity = context.identity();
    let passphrase = if Officer::is_locked(&identity)? {
        Some(context.passphrase(&identity)?.ok_or_else(|| EscrowError::KeyFileLocked { path: identity.clone() })?)
    } else {
        None
    };
    let officer = Officer::load(&identity, passphrase.as_ref())?;
    Ok((passphrase, officer))
}

fn tell(mut stdin: ChildStdin, passphrase: Option<&SecretString>) -> io::Result<()> {
    let Some(passphrase) = passphrase else { return Ok(()) };
    stdin.write_all(passphrase.expose_secret().as_bytes())?;
    stdin.write_all(b"\n")
}

fn unlocked(context: &Context, until: UnixTime) -> (Value, String) {
    let until = rfc3339(until);
    let json = json!({ "unlocked": true, "identity": context.identity().display().to_string(), "until": until });
    (json, format!("unlocked until {until}\n"))
}

impl Lock {
    #[allow(clippy::unused_self, reason = "every command is run alike")]
    pub(crate) fn run(self, context: &Context) -> Result {
        let agent = Agent::connect(&context.agent_socket()?)?;
        let was = agent.is_some();
        if let Some(agent) = agent {
            agent.lock()?;
        }
        let text = if was { "locked\n" } else { "nothing was unlocked\n" };
        Ok(Outcome::new(json!({ "unlocked": false, "was_unlocked": was }), text.to_owned()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    #[test]
    fn times_are_minutes_or_hours() {
        assert_eq!(parse_life("8h").unwrap(), Duration::from_hours(8));
        assert_eq!(parse_life("30m").unwrap(), Duration::from_mins(30));
        for wrong in ["", "h", "0m", "25h", "8", "8d", "-1h", "1.5h", "99999999999999999999h", "8ü"] {
            assert!(parse_life(wrong).is_err(), "{wrong}");
        }
    }
}
