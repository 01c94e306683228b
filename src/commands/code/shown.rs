//! Codes as they are disclosed, at once or one after the other.

use std::io::{self, IsTerminal, Write};

use oathburn_escrow::{Entry, Opener};
use oathburn_oath::{ClockReading, TimedCode, UnixTime};
use serde_json::{Value, json};

use crate::commands;
use crate::commands::codes::{self, Range};
use crate::context::Context;
use crate::countdown::{Countdown, draw};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Outcome, rfc3339};

/// The codes of one entry, disclosed whenever they are made.
pub(super) struct Shown<'a> {
    pub(super) opener: &'a Opener,
    pub(super) entry: &'a Entry,
    /// The seconds that the codes are ahead of the right time.
    pub(super) drift: i64,
    pub(super) reason: Option<&'a str>,
}

impl Shown<'_> {
    /// The codes around a time, with the right time in which they hold.
    pub(super) fn disclose(&self, at: UnixTime, range: Range) -> Result<Vec<TimedCode>, Failure> {
        let at = at.offset(self.drift);
        let mut codes = codes::disclose(self.opener, self.entry, at, range, self.reason)?;
        for timed in &mut codes {
            timed.valid_from = timed.valid_from.offset(-self.drift);
            timed.valid_until = timed.valid_until.offset(-self.drift);
        }
        Ok(codes)
    }

    /// All but the codes.
    pub(super) fn json(&self, known: Option<ClockReading>) -> Value {
        json!({
            "entry": self.entry.id.to_string(),
            "serial": self.entry.identity.serial.as_str(),
            "drift_seconds": known.map(|known| known.drift.seconds()),
            "drift_at": known.map(|known| rfc3339(known.at)),
        })
    }

    /// Each code when it comes, until so many were shown; each is a disclosure of its own.
    pub(super) fn watch(&self, context: &Context, at: UnixTime, count: Option<u32>) -> commands::Result {
        let failed =
            |error: io::Error| Failure::new(Exit::Bug, "stdout", format!("failed to write a code: {error}"), "");
        let mut out = io::stdout();
        let as_json = context.globals.json;
        let drawn = out.is_terminal() && !as_json;
        let countdown = Countdown::starting_at(at);
        for number in 1.. {
            let codes = self.disclose(countdown.now(), Range::around(0))?;
            let Some(timed) = codes.first() else { break };
            if drawn {
                draw(&mut out, timed, timed.valid_until.since(countdown.now())).map_err(failed)?;
            } else {
                let line = if as_json { format!("{}\n", codes::to_json(&codes)[0]) } else { codes::to_text(&codes) };
                match out.write_all(line.as_bytes()).and_then(|()| out.flush()) {
                    // Whoever read the codes has seen enough (`| head -1`).
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
                    result => result.map_err(failed)?,
                }
            }
            if count == Some(number) {
                break;
            }
            let tick = |left| if drawn { draw(&mut out, timed, left) } else { Ok(()) };
            countdown.wait(timed.valid_until, tick).map_err(failed)?;
        }
        // A line that was drawn over itself has no end yet; the others have been printed.
        Ok(Outcome::new(Value::Null, if drawn { "\n" } else { "" }))
    }
}
