//! `t2otp SECRET`: the current code of a seed, and nothing else.
//!
//! The one command that takes a seed as an argument, because that is what the tool of this name does; `t2otp -` reads
//! it from stdin instead. It links neither PC/SC nor libnfc and opens no file.

#[path = "../../countdown.rs"]
mod countdown;
mod lines;
#[path = "../../privacy.rs"]
mod privacy;

use std::io::{self, IsTerminal, Read, Write};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use jiff::Timestamp;
use oathburn_formats::{FormatError, Look, look};
use oathburn_oath::{
    Algorithm, Clock, Digits, Encoding, OathError, Remedy, Seed, SystemClock, TimeStep, Totp, TotpParams, UnixTime,
};
use zeroize::Zeroizing;

use crate::countdown::{Countdown, draw};
use crate::lines::Lines;

/// Prints the current code of a seed.
///
/// With --past or --future it prints one line a code: offset in steps, code, first second it holds, first second it
/// no longer does. With --watch it goes on: on a terminal one line that counts down, elsewhere such a line for each new
/// code, until --count codes were shown or Ctrl-C.
#[derive(Parser)]
#[command(name = "t2otp", version, max_term_width = 100)]
struct Arguments {
    /// The seed in Base32; `-` reads it from stdin, which keeps it out of the process list
    #[arg(allow_hyphen_values = true)]
    secret: String,
    /// So many codes before the current one, too
    #[arg(short, long, value_name = "N")]
    past: Option<u32>,
    /// So many codes after the current one, too
    #[arg(short, long, value_name = "N")]
    future: Option<u32>,
    /// Show each new code when it comes
    #[arg(short, long, conflicts_with_all = ["past", "future"])]
    watch: bool,
    /// Watch so many codes, then end [default: until Ctrl-C]
    #[arg(short, long, value_name = "N", requires = "watch", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// The code at this time (RFC 3339 or Unix seconds) instead of now
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<UnixTime>,
    /// How long a code lasts, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t)]
    step: TimeStep,
    /// How many digits a code has, 6 to 10
    #[arg(long, value_name = "N", default_value_t)]
    digits: Digits,
    /// The hash: sha1, sha256 or sha512
    #[arg(long, value_name = "HASH", default_value_t)]
    algorithm: Algorithm,
    /// How the seed is written
    #[arg(long, value_name = "ENCODING", default_value = "base32")]
    encoding: TextEncoding,
}

impl Arguments {
    /// Nothing but the seed.
    fn of(secret: String) -> Self {
        let TotpParams { algorithm, digits, step } = TotpParams::default();
        let encoding = TextEncoding::Base32;
        Self {
            secret,
            past: None,
            future: None,
            watch: false,
            count: None,
            at: None,
            step,
            digits,
            algorithm,
            encoding,
        }
    }
}

/// How the seed is written.
#[derive(Clone, Copy, ValueEnum)]
enum TextEncoding {
    /// A to Z and 2 to 7 (RFC 4648)
    Base32,
    /// Two digits a byte
    Hex,
}

/// Why there is no code: a bad seed, one that cannot be read, or nowhere to write to.
enum Failure {
    Seed(FormatError),
    Stdin(io::Error),
    Stdout(io::Error),
}

/// The exit code of a bad seed.
const INPUT: u8 = 7;

/// The exit code of what nobody expects.
const BUG: u8 = 1;

/// More than any seed takes: 128 bytes in hex, with separators.
const MAX_INPUT: u64 = 4096;

fn main() -> ExitCode {
    privacy::keep_memory_private();
    match run(arguments()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Stdout(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Failure::Stdout(error)) => {
            complain(&format!("failed to write the code: {error}"), None);
            ExitCode::from(BUG)
        }
        Err(Failure::Stdin(error)) => {
            complain(&format!("failed to read the seed: {error}"), None);
            ExitCode::from(INPUT)
        }
        Err(Failure::Seed(error)) => {
            complain(&error.to_string(), error.remedy().as_deref());
            ExitCode::from(INPUT)
        }
    }
}

/// `t2otp SECRET` needs no grammar, and the time to build one is a tenth of all it takes.
fn arguments() -> Arguments {
    let mut words = std::env::args_os().skip(1);
    match (words.next().map(std::ffi::OsString::into_string), words.next()) {
        (Some(Ok(secret)), None) if secret == "-" || !secret.starts_with('-') => Arguments::of(secret),
        _ => Arguments::parse(),
    }
}

/// Nobody is left to tell when this fails.
fn complain(message: &str, remedy: Option<&str>) {
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "error: {message}");
    if let Some(remedy) = remedy {
        let _ = writeln!(stderr, "\nhint: {remedy}");
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    let text = Zeroizing::new(arguments.secret);
    let text = if *text == "-" { from_stdin().map_err(Failure::Stdin)? } else { text };
    let seed = match arguments.encoding {
        TextEncoding::Hex => Seed::from_text(&text, Encoding::Hex).map_err(|error| Failure::Seed(error.into())),
        TextEncoding::Base32 => from_base32(&text).map_err(Failure::Seed),
    }?;
    let params = TotpParams { algorithm: arguments.algorithm, digits: arguments.digits, step: arguments.step };
    let totp = Totp::new(&seed, params);
    let at = arguments.at.unwrap_or_else(|| SystemClock.now());
    let printed = if arguments.watch {
        watch(&totp, at, arguments.count)
    } else if arguments.past.is_none() && arguments.future.is_none() {
        writeln!(io::stdout(), "{}", totp.code_at(at))
    } else {
        list(&totp, at, arguments.past.unwrap_or(0), arguments.future.unwrap_or(0))
    };
    printed.map_err(Failure::Stdout)
}

/// One line a code.
fn list(totp: &Totp, at: UnixTime, past: u32, future: u32) -> io::Result<()> {
    const CHUNK: usize = 64 * 1024;
    let mut out = io::stdout().lock();
    let mut lines = Lines::new(totp.params());
    let mut chunk = Vec::with_capacity(CHUNK + 128);
    for timed in totp.window(at, past, future) {
        lines.push(&mut chunk, &timed);
        if chunk.len() >= CHUNK {
            out.write_all(&chunk)?;
            chunk.clear();
        }
    }
    out.write_all(&chunk)?;
    out.flush()
}

/// Each code when it comes.
fn watch(totp: &Totp, at: UnixTime, count: Option<u64>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let terminal = out.is_terminal();
    let countdown = Countdown::starting_at(at);
    let (mut lines, begin) = (Lines::new(totp.params()), totp.step_at(at));
    for shown in 1.. {
        let now = countdown.now();
        let Some(mut timed) = totp.timed(now, 0) else { break };
        timed.offset = timed.step.wrapping_sub(begin).cast_signed();
        if terminal {
            draw(&mut out, &timed, timed.valid_until.since(now))?;
        } else {
            let mut line = Vec::with_capacity(128);
            lines.push(&mut line, &timed);
            out.write_all(&line)?;
            out.flush()?;
        }
        if count == Some(shown) {
            break;
        }
        countdown.wait(timed.valid_until, |left| if terminal { draw(&mut out, &timed, left) } else { Ok(()) })?;
    }
    if terminal { writeln!(out) } else { Ok(()) }
}

/// Base32 as people type it. Anything else is named: what looks like hex but is not said to be is most likely hex, and
/// the letters of a certificate's first line are no seed, whatever alphabet they are of.
fn from_base32(text: &str) -> Result<Seed, FormatError> {
    let look = look(text);
    if !matches!(look, Look::Empty | Look::Base32 | Look::Hex | Look::Base32OrHex | Look::Base64 | Look::Unknown) {
        return Err(FormatError::NotASeed { look });
    }
    Seed::from_base32(text).map_err(|error| match (error, look) {
        (error @ (OathError::SeedEmpty | OathError::SeedTooLong { .. } | OathError::Base32Truncated), _) => {
            error.into()
        }
        (_, Look::Hex) => FormatError::HexForBase32,
        (_, Look::Base64) => FormatError::NotASeed { look },
        (error, _) => error.into(),
    })
}

fn from_stdin() -> io::Result<Zeroizing<String>> {
    // Room for all of it at once: a buffer that grows leaves unwiped copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(4097));
    io::stdin().lock().take(MAX_INPUT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_INPUT {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the input is larger than any seed"));
    }
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the input is not text (UTF-8)"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn parse_time(text: &str) -> Result<UnixTime, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(UnixTime::new(seconds));
    }
    let timestamp: Timestamp = text.parse().map_err(|_| "neither RFC 3339 (2026-01-31T12:00:00Z) nor Unix seconds")?;
    u64::try_from(timestamp.as_second()).map(UnixTime::new).map_err(|_| "before 1970".to_owned())
}
