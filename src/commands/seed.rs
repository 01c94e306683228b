//! `oathburn seed …`: the toolset

mod qr;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use oathburn_formats::{KeyUri, SeedInput};
use oathburn_oath::{Algorithm, Digits, Seed as OathSeed, TimeStep};
use serde_json::json;

use crate::commands::Result;
use crate::commands::source::{TextEncoding, read_seed_file};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Outcome;

/// Make and convert seeds
#[derive(Debug, Subcommand)]
pub(crate) enum Seed {
    Generate(Generate),
    Convert(Convert),
    Qr(qr::Qr),
}

/// Print a random seed, which is kept nowhere
#[derive(Args, Debug)]
pub(crate) struct Generate {
    /// Its length in bytes
    #[arg(long, value_name = "N", default_value_t = 20)]
    seed_bytes: usize,
    #[command(flatten)]
    form: Form,
}

/// Print a seed in another form
#[derive(Args, Debug)]
pub(crate) struct Convert {
    /// A file with the seed in Base32, hex or as otpauth URI (`-`: stdin)
    #[arg(long, value_name = "FILE")]
    seed_file: PathBuf,
    /// What the file holds, where it could be either
    #[arg(long, value_name = "ENCODING")]
    encoding: Option<TextEncoding>,
    #[command(flatten)]
    form: Form,
}

/// The form to print a seed in.
#[derive(Args, Debug)]
struct Form {
    /// The form to print
    #[arg(long, value_name = "FORM", default_value = "base32")]
    to: To,
    #[command(flatten)]
    names: Names,
}

/// What an otpauth URI says beside the seed.
#[derive(Args, Debug)]
struct Names {
    /// The service
    #[arg(long)]
    issuer: Option<String>,
    /// The user's account there
    #[arg(long)]
    account: Option<String>,
    /// The hash
    #[arg(long)]
    algorithm: Option<Algorithm>,
    /// Digits of a code
    #[arg(long)]
    digits: Option<Digits>,
    /// How long a code lasts in seconds
    #[arg(long, value_name = "SECONDS")]
    time_step: Option<TimeStep>,
}

/// Forms of a seed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum To {
    /// A to Z and 2 to 7 (RFC 4648)
    Base32,
    /// Two digits a byte
    Hex,
    /// What QR codes hold
    Otpauth,
}

impl Seed {
    pub(crate) fn run(self, context: &Context) -> Result {
        match self {
            Self::Generate(command) => command.form.print(SeedInput::bare(OathSeed::generate(command.seed_bytes)?)),
            Self::Qr(command) => command.run(context),
            Self::Convert(command) => command.form.print(read_seed_file(&command.seed_file, command.encoding)?),
        }
    }
}

impl Form {
    fn print(self, input: SeedInput) -> Result {
        let bytes = input.seed.len();
        let text = match self.to {
            To::Base32 => input.seed.to_base32(),
            To::Hex => input.seed.to_hex(),
            To::Otpauth => self.names.uri(input)?.to_uri(),
        };
        let form = self.to.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
        Ok(Outcome::new(json!({ "seed": *text, "form": form, "bytes": bytes }), text.as_str()))
    }
}

impl Names {
    /// The key URI of a seed; what was not said is what its own text said.
    fn uri(&self, input: SeedInput) -> std::result::Result<KeyUri, Failure> {
        let account = self.account.clone().or(input.account);
        if account.is_none() {
            return Err(Failure::usage("an otpauth URI names an account", "give --account, and better --issuer, too"));
        }
        Ok(KeyUri {
            issuer: self.issuer.clone().or(input.issuer),
            account,
            seed: input.seed,
            algorithm: self.algorithm.or(input.algorithm),
            digits: self.digits.or(input.digits),
            step: self.time_step.or(input.step),
            counter: None,
        })
    }
}
