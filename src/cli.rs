//! The command line: global options and the table of commands.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use oathburn_oath::UnixTime;

use crate::commands::{
    audit, batch, burn, code, desk, doctor, drift, escrow, explain, export, formats, identify, identify_code, import,
    readers, seed, station, sync, token, unlock, verify,
};
use crate::failure::Failure;

/// Burns seeds onto programmable OATH tokens, keeps them in a sealed escrow, and generates their codes.
#[derive(Debug, Parser)]
#[command(name = "oathburn", version, max_term_width = 100, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// An address is no link.
const STORE: &str =
    "The escrow's store: sqlite:PATH or postgres://USER@HOST/DATABASE [default: a file in your data folder]";

/// Options that every command takes.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// The escrow's store
    #[arg(long, global = true, env = "OATHBURN_STORE", value_name = "URL", help = STORE)]
    pub(crate) store: Option<String>,
    /// The officer's file, which opens the escrow [default: a file in your data folder]
    #[arg(long, global = true, env = "OATHBURN_IDENTITY", value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
    /// A file whose first line is the passphrase of the officer's file (`-`: stdin)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// The reader: pcsc:NAME-PART or libnfc:CONNSTRING [default: the only one, or the only one with a token]
    #[arg(long, global = true, env = "OATHBURN_READER", value_name = "SELECTOR")]
    pub(crate) reader: Vec<String>,
    /// How long a token may take to answer one command [default: 10]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = parse_timeout)]
    pub(crate) timeout: Option<Duration>,
    /// Who is at the keyboard; noted in the audit trail beside user id and host
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) operator: Option<String>,
    /// Compute and compare codes for this time (RFC 3339 or Unix seconds) instead of now
    #[arg(long, global = true, value_name = "TIME", value_parser = parse_time)]
    pub(crate) time: Option<UnixTime>,
    /// One JSON value on stdout, also for errors
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// No talk on stderr
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Say what goes over the wire (never a seed); twice for more
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: When,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum When {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Globals {
    /// The one reader that is meant, for commands that use one.
    pub(crate) fn one_reader(&self) -> Result<Option<&str>, Failure> {
        match self.reader.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            _ => Err(Failure::usage("this command uses one reader", "give --reader once")),
        }
    }
}

/// What to do. A command's own page says it: a comment here would hide all but the first line of it.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Readers(readers::Readers),
    Doctor(doctor::Doctor),
    Identify(identify::Identify),
    Burn(burn::Burn),
    Verify(verify::Verify),
    Sync(sync::Sync),
    #[command(subcommand)]
    Batch(batch::Batch),
    #[command(subcommand)]
    Token(token::Token),
    #[command(subcommand)]
    Desk(desk::Desk),
    Code(code::Code),
    Drift(drift::Drift),
    IdentifyCode(identify_code::IdentifyCode),
    Explain(explain::Explain),
    Import(import::Import),
    Export(export::Export),
    Formats(formats::Formats),
    #[command(subcommand)]
    Escrow(escrow::Escrow),
    /// The same as `oathburn escrow audit`
    #[command(subcommand, hide = true)]
    Audit(audit::Audit),
    #[command(subcommand)]
    Seed(seed::Seed),
    #[command(subcommand)]
    Station(station::Station),
    Unlock(unlock::Unlock),
    Lock(unlock::Lock),
}

impl Command {
    /// Whether it serves until it is ended, and says meanwhile what happens.
    pub(crate) const fn serves(&self) -> bool {
        matches!(self, Self::Desk(desk::Desk::Serve(_)))
    }

    /// Whether it asks which product a token is.
    pub(crate) const fn needs_models(&self) -> bool {
        if let Self::Escrow(command) = self {
            return matches!(command, escrow::Escrow::Add(add) if add.needs_models());
        }
        let does_not = matches!(
            self,
            Self::Readers(_)
                | Self::Code(_)
                | Self::Desk(_)
                | Self::IdentifyCode(_)
                | Self::Explain(_)
                | Self::Export(_)
                | Self::Formats(_)
                | Self::Audit(_)
                | Self::Seed(_)
                | Self::Station(_)
                | Self::Unlock(_)
                | Self::Lock(_)
        );
        !does_not
    }
}

/// Reads RFC 3339 or Unix seconds.
pub(crate) fn parse_time(text: &str) -> Result<UnixTime, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(UnixTime::new(seconds));
    }
    let timestamp: Timestamp = text.parse().map_err(|_| "neither RFC 3339 (2026-01-31T12:00:00Z) nor Unix seconds")?;
    u64::try_from(timestamp.as_second()).map(UnixTime::new).map_err(|_| "before 1970".to_owned())
}

/// Seconds, with a fraction where one is wanted; an hour at most.
fn parse_timeout(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| *seconds > 0.0 && *seconds <= 3600.0);
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "a number of seconds from above 0 to 3600".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_of_a_command_is_all_that_its_page_says() {
        let mut cli = Cli::command();
        cli.build();
        let mut help = |path: &[&str]| {
            let command = path.iter().fold(&mut cli, |command, name| command.find_subcommand_mut(name).unwrap());
            command.render_long_help().to_string()
        };
        for path in [
            &["identify"][..],
            &["verify"],
            &["drift"],
            &["identify-code"],
            &["explain"],
            &["doctor"],
            &["import"],
            &["escrow", "check"],
            &["escrow", "audit", "verify"],
        ] {
            assert!(help(path).to_lowercase().contains("exit code"), "{path:?} does not say how it ends");
        }
        assert!(help(&["burn"]).contains("is finished by burning the same token again"));
        assert!(help(&["escrow", "init"]).contains("Nothing is ever overwritten"));
    }

    #[test]
    fn times_come_in_two_forms() {
        assert_eq!(parse_time("59"), Ok(UnixTime::new(59)));
        assert_eq!(parse_time("20000000000"), Ok(UnixTime::new(20_000_000_000)));
        assert_eq!(parse_time("1970-01-01T01:00:59+01:00"), Ok(UnixTime::new(59)));
        assert!(parse_time("1969-12-31T23:59:59Z").is_err());
        assert!(parse_time("yesterday").is_err());
    }

    #[test]
    fn a_timeout_is_a_number_of_seconds() {
        assert_eq!(parse_timeout("10"), Ok(Duration::from_secs(10)));
        assert_eq!(parse_timeout("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["0", "-1", "3601", "inf", "NaN", "soon", ""] {
            assert!(parse_timeout(wrong).is_err(), "{wrong}");
        }
    }
}
