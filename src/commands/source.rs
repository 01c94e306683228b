//! Where a seed to burn comes from.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use oathburn_escrow::{Entry, EntryState, Escrow};
use oathburn_formats::{MAX_IMAGE_LEN, SeedInput, read_seed, read_seed_image};
use oathburn_oath::{Algorithm, Digits, Encoding, HotpParams, Params, SerialNumber, Slot, TimeStep, TotpParams};
use oathburn_station::{BurnOrder, SeedSource};
use zeroize::Zeroizing;

use crate::commands::select;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::prompt;

/// The seed and the parameters of its codes.
#[derive(Args, Debug)]
pub(crate) struct Source {
    /// Generate a random seed (the default)
    #[arg(long, group = "source")]
    generate: bool,
    /// Length of a generated seed in bytes [default: 20 for SHA-1, 32 for SHA-256, 64 for SHA-512]
    #[arg(long, value_name = "N", conflicts_with_all = ["seed_file", "qr", "entry", "again"])]
    seed_bytes: Option<usize>,
    /// A file with the seed in Base32, hex or as otpauth URI (`-`: stdin)
    #[arg(long, value_name = "FILE", group = "source")]
    seed_file: Option<PathBuf>,
    /// What the seed file holds, where it could be either
    #[arg(long, value_name = "ENCODING", requires = "seed_file")]
    encoding: Option<TextEncoding>,
    /// A picture (PNG, JPEG) with the service's QR code
    #[arg(long, value_name = "IMAGE", group = "source")]
    qr: Option<PathBuf>,
    /// The sealed seed of an entry, once more
    #[arg(long, value_name = "ID", group = "source")]
    entry: Option<String>,
    /// The sealed seed of a token, once more
    #[arg(long, value_name = "SERIAL", group = "source")]
    again: Option<SerialNumber>,
    /// The hash: sha1, sha256 or sha512, as far as the token has it [default: sha1, or what the otpauth URI says]
    #[arg(long)]
    algorithm: Option<Algorithm>,
    /// How long a code lasts, as far as the token has it: 30, 60, … seconds [default: 30, or what the otpauth URI says]
    #[arg(long, value_name = "SECONDS")]
    time_step: Option<TimeStep>,
    /// Digits of a code, as far as the token shows so many [default: 6, or what the otpauth URI says]
    #[arg(long, value_name = "N", value_parser = parse_digits)]
    digits: Option<Digits>,
    /// Make codes of a counter that begins here, instead of the time, on tokens that can; needed to burn the sealed seed of
    /// such a token once more
    #[arg(long, value_name = "N", conflicts_with = "time_step")]
    counter: Option<u64>,
}

fn parse_digits(text: &str) -> Result<Digits, String> {
    text.parse().ok().and_then(|digits| Digits::shown(digits).ok()).ok_or_else(|| "4, or 6 to 10".to_owned())
}

/// How a seed is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum TextEncoding {
    /// A to Z and 2 to 7 (RFC 4648)
    Base32,
    /// Two digits a byte
    Hex,
}

impl From<TextEncoding> for Encoding {
    fn from(encoding: TextEncoding) -> Self {
        match encoding {
            TextEncoding::Base32 => Self::Base32,
            TextEncoding::Hex => Self::Hex,
        }
    }
}

/// Reads a seed from a file, or from stdin for `-`.
pub(crate) fn read_seed_file(file: &Path, encoding: Option<TextEncoding>) -> Result<SeedInput, Failure> {
    Ok(read_seed(&seed_text(file)?, encoding.map(Encoding::from))?)
}

/// The text of a seed file, or of stdin for `-`.
pub(crate) fn seed_text(file: &Path) -> Result<Zeroizing<String>, Failure> {
    prompt::seed_text(file).map_err(|error| unreadable(file, &error))
}

/// The seed in the QR code of a picture.
pub(crate) fn read_qr(file: &Path) -> Result<SeedInput, Failure> {
    let mut bytes = Zeroizing::new(Vec::new());
    let read = File::open(file).and_then(|opened| {
        let limit = MAX_IMAGE_LEN as u64 + 1;
        bytes.reserve_exact(usize::try_from(opened.metadata()?.len().min(limit)).unwrap_or(0) + 1);
        opened.take(limit).read_to_end(&mut bytes)
    });
    read.map_err(|error| unreadable(file, &error))?;
    Ok(read_seed_image(&bytes)?)
}

fn unreadable(file: &Path, error: &io::Error) -> Failure {
    let message = format!("failed to read the seed from {}: {error}", file.display());
    Failure::new(Exit::Input, "seed-file", message, "check the file's name and rights")
}

impl Source {
    /// Whether nothing of stdin is left for anybody else.
    pub(crate) fn takes_all_of_stdin(&self) -> bool {
        self.seed_file.as_deref() == Some(Path::new("-"))
    }

    /// A file is read before anything else is asked of anybody.
    pub(crate) fn read(&self) -> Result<Option<SeedInput>, Failure> {
        match (&self.seed_file, &self.qr) {
            (Some(file), _) => read_seed_file(file, self.encoding).map(Some),
            (None, Some(image)) => read_qr(image).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// The order, as far as the seed decides it.
    pub(crate) fn order(
        &self,
        context: &Context,
        escrow: &Escrow,
        given: Option<SeedInput>,
    ) -> Result<BurnOrder, Failure> {
        if let Some(input) = given {
            let params = self.params(input.params());
            let order = BurnOrder::new(SeedSource::Given(input.seed), params);
            return Ok(BurnOrder { upn: input.account, issuer: input.issuer, ..order });
        }
        if let Some(entry) = self.escrowed(context, escrow)? {
            let params = entry.params;
            let other = |said: Option<bool>| said.is_some_and(|same| !same);
            if other(self.algorithm.map(|algorithm| algorithm == params.algorithm()))
                || other(self.digits.map(|digits| digits == params.digits()))
                || other(self.time_step.map(|step| Some(step) == params.step()))
                || other(self.counter.map(|_| params.counter().is_some()))
            {
                let message = "an escrowed seed is burned with its own algorithm and time step";
                return Err(Failure::usage(
                    message,
                    "leave --algorithm, --time-step and --digits out, and --counter where codes go by the time",
                ));
            }
            let params = self.count_on(&entry)?;
            let (upn, issuer) = (entry.upn.clone(), entry.issuer.clone());
            let slot = Some(entry.identity.slot.clone()).filter(|slot| *slot != Slot::SINGLE);
            let order = BurnOrder::new(SeedSource::Escrowed(Box::new(entry)), params);
            return Ok(BurnOrder { upn, issuer, slot, ..order });
        }
        let params = self.params(TotpParams::default());
        // As long as the hash's output (RFC 4226, section 4, requirement 6 and RFC 6238, section 5.1).
        let len = self.seed_bytes.unwrap_or(match params.algorithm() {
            Algorithm::Sha1 => 20,
            Algorithm::Sha256 => 32,
            Algorithm::Sha512 => 64,
        });
        Ok(BurnOrder::new(SeedSource::Generate { len }, params))
    }

    /// The parameters of a sealed seed. Where a token has counted on since, only somebody who asked its server knows
    /// how far: the count of the first burn would make used codes good once more.
    fn count_on(&self, entry: &Entry) -> Result<Params, Failure> {
        match (entry.params, self.counter) {
            (Params::Hotp(params), Some(counter)) => Ok(HotpParams { counter, ..params }.into()),
            (Params::Hotp(_), None) if entry.state != EntryState::Reserved => {
                let message = format!("the codes of entry {} go by a counter, which may have moved on since", entry.id);
                Err(Failure::usage(message, "give the count of the next code with --counter, as the server has it"))
            }
            (params, _) => Ok(params),
        }
    }

    fn escrowed(&self, context: &Context, escrow: &Escrow) -> Result<Option<Entry>, Failure> {
        match (&self.entry, &self.again) {
            (Some(id), _) => select::entry(escrow, id).map(Some),
            (None, Some(serial)) => select::entry_of_serial(context, escrow, serial).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// What the options say, and else what is `said` elsewhere.
    fn params(&self, said: TotpParams) -> Params {
        let params = TotpParams {
            algorithm: self.algorithm.unwrap_or(said.algorithm),
            digits: self.digits.unwrap_or(said.digits),
            step: self.time_step.unwrap_or(said.step),
        };
        match self.counter {
            Some(counter) => HotpParams { algorithm: params.algorithm, digits: params.digits, counter }.into(),
            None => params.into(),
        }
    }
}
