//! `t2otp SECRET`: the current code of a seed, and nothing else.
//!
//! The one command that takes a seed as an argument, because that is what the tool of this name does; `t2otp -` reads
//! it from stdin instead. It links neither PC/SC nor libnfc and opens no file.

use std::fmt::Write as _;
use std::io::{self, Read, Write as _};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use jiff::Timestamp;
use oathburn_formats::{FormatError, Look, look};
use oathburn_oath::{
    Algorithm, Clock, Digits, Encoding, OathError, Remedy, Seed, SystemClock, TimeStep, TimedCode, Totp, TotpParams,
    UnixTime,
};
use zeroize::Zeroizing;

/// Prints the current code of a seed.
///
/// With --past or --future it prints one line a code: offset in steps, code, first second it holds, first second it
/// no longer does.
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

/// How the seed is written.
#[derive(Clone, Copy, ValueEnum)]
enum TextEncoding {
    /// A to Z and 2 to 7 (RFC 4648)
    Base32,
    /// Two digits a byte
    Hex,
}

/// Why there is no code: a bad seed, or a pipe that broke.
enum Failure {
    Seed(FormatError),
    Io(io::Error),
}

/// The exit code of a bad seed.
const INPUT: u8 = 7;

/// More than any seed takes: 128 bytes in hex, with separators.
const MAX_INPUT: u64 = 4096;

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Failure::Io(error)) => {
            complain(&error.to_string(), None);
            ExitCode::from(INPUT)
        }
        Err(Failure::Seed(error)) => {
            complain(&error.to_string(), error.remedy().as_deref());
            ExitCode::from(INPUT)
        }
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
    let text = if *text == "-" { from_stdin().map_err(Failure::Io)? } else { text };
    let seed = match arguments.encoding {
        TextEncoding::Hex => Seed::from_text(&text, Encoding::Hex).map_err(|error| Failure::Seed(error.into())),
        TextEncoding::Base32 => from_base32(&text).map_err(Failure::Seed),
    }?;
    let params = TotpParams { algorithm: arguments.algorithm, digits: arguments.digits, step: arguments.step };
    let totp = Totp::new(&seed, params);
    let at = arguments.at.unwrap_or_else(|| SystemClock.now());
    let mut out = io::BufWriter::new(io::stdout().lock());
    if arguments.past.is_none() && arguments.future.is_none() {
        writeln!(out, "{}", totp.code_at(at)).map_err(Failure::Io)?;
    } else {
        let mut line = String::with_capacity(64);
        for timed in totp.window(at, arguments.past.unwrap_or(0), arguments.future.unwrap_or(0)) {
            line.clear();
            write_line(&mut line, &timed);
            out.write_all(line.as_bytes()).map_err(Failure::Io)?;
        }
    }
    out.flush().map_err(Failure::Io)
}

/// Base32 as people type it. Anything else is named: what looks like hex but is not said to be is most likely hex.
fn from_base32(text: &str) -> Result<Seed, FormatError> {
    Seed::from_base32(text).map_err(|error| match (error, look(text)) {
        (error @ (OathError::SeedEmpty | OathError::SeedTooLong { .. } | OathError::Base32Truncated), _) => {
            error.into()
        }
        (_, Look::Hex) => FormatError::HexForBase32,
        (error, Look::Unknown | Look::Base32) => error.into(),
        (_, look) => FormatError::NotASeed { look },
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

fn write_line(line: &mut String, timed: &TimedCode) {
    let time = |time: UnixTime| {
        let timestamp = i64::try_from(time.seconds()).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
        timestamp.map_or_else(|| time.to_string(), |timestamp| timestamp.to_string())
    };
    let (from, until) = (time(timed.valid_from), time(timed.valid_until));
    // Writing to a string cannot fail.
    let _ = writeln!(line, "{} {} {from} {until}", timed.offset, timed.code);
}

fn parse_time(text: &str) -> Result<UnixTime, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(UnixTime::new(seconds));
    }
    let timestamp: Timestamp = text.parse().map_err(|_| "neither RFC 3339 (2026-01-31T12:00:00Z) nor Unix seconds")?;
    u64::try_from(timestamp.as_second()).map(UnixTime::new).map_err(|_| "before 1970".to_owned())
}
