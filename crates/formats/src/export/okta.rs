//! Okta's custom TOTP factor: for each token the body that enrols it for its user.
//!
//! `POST /api/v1/users/{userId}/factors?activate=true` takes one token and one user, so that the file has a line for
//! each call: the user's login, the token's number, and the body. The body names a factor profile, whose hash, digits,
//! time step and encoding (Base32) hold for all its tokens: one file is for one profile.

use std::io::Write;

use oathburn_oath::{Algorithm, Params, SerialNumber};

use crate::export::json;
use crate::export::{Line, Uniform, mixed};
use crate::{Carried, Fidelity, Format, FormatError, KeyPackage, Refusal, Setting, WriteFormat, WriteOptions, Writing};

/// The format.
pub(crate) struct Okta;

impl Format for Okta {
    fn id(&self) -> &'static str {
        "okta"
    }

    fn title(&self) -> &'static str {
        "Okta custom TOTP factor, a line for each call that enrols a token"
    }

    fn fidelity(&self) -> &'static Fidelity {
        &Fidelity {
            algorithms: &Algorithm::ALL,
            digits: &[6, 8, 10],
            steps: Some(&[15, 30, 60]),
            event_based: false,
            max_seed_len: 128,
            serial: Carried::Yes,
            manufacturer: Carried::No,
            model: Carried::No,
            upn: Carried::Needed,
            issuer: Carried::No,
        }
    }

    fn writer(&self) -> Option<&dyn WriteFormat> {
        Some(self)
    }
}

const PROFILE: Setting = Setting { name: "profile", about: "the id of the factor profile (fpr…)", needed: true };

impl WriteFormat for Okta {
    fn extension(&self) -> &'static str {
        "jsonl"
    }

    fn settings(&self) -> &'static [Setting] {
        &[PROFILE]
    }

    fn refuses(&self, package: &KeyPackage, first: &Params, _: &WriteOptions) -> Option<Refusal> {
        mixed(&[Uniform::Algorithm, Uniform::Digits, Uniform::Step], &package.params, first)
    }

    fn begin<'a>(
        &'a self,
        out: &'a mut dyn Write,
        options: &'a WriteOptions,
    ) -> Result<Box<dyn Writing + 'a>, FormatError> {
        let profile = json::text(options.setting(&PROFILE)?.unwrap_or_default());
        Ok(Box::new(Calls { out, line: Line::new(), profile }))
    }
}

struct Calls<'a> {
    out: &'a mut dyn Write,
    line: Line,
    profile: String,
}

impl Writing for Calls<'_> {
    fn write(&mut self, package: &KeyPackage) -> Result<(), FormatError> {
        let line = &mut self.line;
        line.add("{\"login\": ").add(json::text(package.upn.as_deref().unwrap_or_default()));
        if let Some(serial) = package.serial.as_ref().map(SerialNumber::as_str) {
            line.add(", \"serialNumber\": ").add(json::text(serial));
        }
        line.add(", \"body\": {\"factorType\": \"token:hotp\", \"provider\": \"CUSTOM\", \"factorProfileId\": ");
        line.add(&self.profile).add(", \"profile\": {\"sharedSecret\": \"").add(&*package.seed.to_base32());
        line.add("\"}}}\n");
        line.write(self.out)
    }

    fn finish(self: Box<Self>) -> Result<(), FormatError> {
        Ok(())
    }
}
