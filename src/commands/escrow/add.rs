//! `oathburn escrow add`

use std::path::{Path, PathBuf};

use clap::Args;
use oathburn_escrow::{Origin, Reservation};
use oathburn_oath::{
    Algorithm, Digits, FamilyId, SerialNumber, Slot, TimeStep, TokenIdentity, TokenRecord, TotpParams,
};
use oathburn_station::StationError;

use super::annotate::Notes;
use super::entries;
use super::which::check_name;
use crate::commands::source::{TextEncoding, read_qr, read_seed_file};
use crate::commands::{Result, family};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Outcome;

/// Put a seed into the escrow without a token on a reader
///
/// For the seed of a token that was programmed elsewhere, by its maker or with another tool: the entry is `imported`,
/// which says that the seed is on the token because somebody said so. Compare a code (`oathburn verify`). With
/// --to-burn the seed is sealed for a token that has yet to be programmed: the entry is `reserved`, and `oathburn burn`
/// with an officer's file at hand burns it when that token lies on the reader.
#[derive(Args, Debug)]
pub(crate) struct Add {
    /// The number on the token's back
    #[arg(long)]
    serial: SerialNumber,
    /// A file with the seed in Base32, hex or as otpauth URI (`-`: stdin)
    #[arg(long, value_name = "FILE", required_unless_present = "qr", conflicts_with = "qr")]
    seed_file: Option<PathBuf>,
    /// What the seed file holds, where it could be either
    #[arg(long, value_name = "ENCODING", requires = "seed_file")]
    encoding: Option<TextEncoding>,
    /// A picture (PNG, JPEG) with the service's QR code
    #[arg(long, value_name = "IMAGE")]
    qr: Option<PathBuf>,
    /// The token's family [default: that of the product with this serial number, or else `preprogrammed`]
    #[arg(long, value_parser = FamilyId::new)]
    family: Option<FamilyId>,
    /// Where in the token, for tokens with several profiles
    #[arg(long, value_name = "N|NAME", default_value = "0")]
    slot: Slot,
    /// Under whose name the product is sold
    #[arg(long)]
    manufacturer: Option<String>,
    /// The product's name
    #[arg(long)]
    model: Option<String>,
    /// The user the token is for [default: the account in the otpauth URI]
    #[arg(long)]
    upn: Option<String>,
    /// The service the seed is for [default: the issuer in the otpauth URI]
    #[arg(long)]
    issuer: Option<String>,
    /// The hash: sha1, sha256 or sha512 [default: sha1, or what the otpauth URI says]
    #[arg(long)]
    algorithm: Option<Algorithm>,
    /// Digits of a code [default: 6, or what the otpauth URI says]
    #[arg(long)]
    digits: Option<Digits>,
    /// How long a code lasts in seconds [default: 30, or what the otpauth URI says]
    #[arg(long, value_name = "SECONDS")]
    time_step: Option<TimeStep>,
    #[command(flatten)]
    notes: Notes,
    /// Seal it for a token that is to be burned
    #[arg(long)]
    to_burn: bool,
    /// Supersede what the escrow has of this token
    #[arg(long, conflicts_with = "to_burn")]
    replace: bool,
    /// Why, for the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Add {
    /// Which product a token is says its family, unless somebody does.
    pub(crate) const fn needs_models(&self) -> bool {
        self.family.is_none()
    }

    pub(crate) fn run(self, context: &Context) -> Result {
        let family = self.family(context)?;
        let names = [
            ("UPN", &self.upn),
            ("issuer", &self.issuer),
            ("manufacturer", &self.manufacturer),
            ("model", &self.model),
        ];
        names.into_iter().try_for_each(|(what, name)| check_name(what, name.as_deref()))?;
        let input = match (&self.seed_file, &self.qr) {
            (Some(file), _) => read_seed_file(file, self.encoding)?,
            (None, image) => read_qr(image.as_deref().unwrap_or(Path::new("")))?,
        };
        let said = input.params();
        let record = TokenRecord {
            identity: TokenIdentity { family, serial: self.serial, slot: self.slot },
            params: TotpParams {
                algorithm: self.algorithm.unwrap_or(said.algorithm),
                digits: self.digits.unwrap_or(said.digits),
                step: self.time_step.unwrap_or(said.step),
            }
            .into(),
            manufacturer: self.manufacturer,
            model: self.model,
            upn: self.upn.or(input.account),
            issuer: self.issuer.or(input.issuer),
            seed: input.seed,
        };
        let escrow = context.escrow()?;
        let annotation = self.notes.annotation(Vec::new());
        let origin = if self.to_burn { Origin::Given } else { Origin::Imported };
        let reservation = Reservation { record: &record, origin, batch: None };
        let added = escrow.add(&reservation, &annotation, self.replace, self.reason.as_deref());
        // Said as a burn says it.
        let (id, replaced) = added.map_err(StationError::from)?;
        let entry = escrow.entry(&id.to_string())?;
        let mut json = entries::to_json(&entry);
        json["superseded"] = replaced.iter().map(ToString::to_string).collect();
        let text = format!("{} is {} in the escrow, entry {id}\n", entry.identity.serial, entry.state);
        Ok(Outcome::new(json, text))
    }

    /// As `import` decides; but what is to be burned is looked for under the family that burns it.
    fn family(&self, context: &Context) -> std::result::Result<FamilyId, Failure> {
        let named = self.family.as_ref();
        if !self.to_burn {
            return Ok(family::of_token_in_use(&context.models, named, &self.serial));
        }
        family::known(&context.models, named, &self.serial).ok_or_else(|| {
            let message = format!("no known product has the serial number {}", self.serial);
            Failure::usage(message, "name the family that will burn the token with --family (`token2-single`)")
        })
    }
}
