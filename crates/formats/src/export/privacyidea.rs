//! privacyIDEA's "OATH CSV", which has no header: version 1, and version 2 with the user before the token.
//!
//! Documented in privacyIDEA's "Import" and read in its importer: `serial, hex, type, digits, step or counter`, cut at
//! every comma, nothing quoted; no byte order mark, which would hide the version. There is no column for the hash: it
//! is guessed from the length of the seed.

use std::io::Write;

use oathburn_oath::{Algorithm, Params, SerialNumber};

use crate::export::{Line, bare_cells, texts};
use crate::{Carried, Fidelity, Format, FormatError, KeyPackage, Refusal, Setting, WriteFormat, WriteOptions, Writing};

const V1: Fidelity = Fidelity {
    algorithms: &Algorithm::ALL,
    digits: &[6, 8],
    steps: Some(&[30, 60]),
    event_based: true,
    max_seed_len: 128,
    serial: Carried::Needed,
    manufacturer: Carried::No,
    model: Carried::No,
    upn: Carried::No,
    issuer: Carried::No,
};

/// Version 1.
pub(crate) struct PrivacyIdea;

/// Version 2.
pub(crate) struct PrivacyIdea2;

impl Format for PrivacyIdea {
    fn id(&self) -> &'static str {
        "privacyidea"
    }

    fn title(&self) -> &'static str {
        "privacyIDEA, OATH CSV"
    }

    fn fidelity(&self) -> &'static Fidelity {
        &V1
    }

    fn writer(&self) -> Option<&dyn WriteFormat> {
        Some(self)
    }
}

impl Format for PrivacyIdea2 {
    fn id(&self) -> &'static str {
        "privacyidea2"
    }

    fn title(&self) -> &'static str {
        "privacyIDEA, OATH CSV version 2, with users"
    }

    fn fidelity(&self) -> &'static Fidelity {
        const V2: Fidelity = Fidelity { upn: Carried::Needed, ..V1 };
        &V2
    }

    fn writer(&self) -> Option<&dyn WriteFormat> {
        Some(self)
    }
}

impl WriteFormat for PrivacyIdea {
    fn extension(&self) -> &'static str {
        "csv"
    }

    fn refuses(&self, package: &KeyPackage, _: &Params, _: &WriteOptions) -> Option<Refusal> {
        let [serial, ..] = texts(package);
        cells([serial]).or_else(|| guessed_hash(package))
    }

    fn begin<'a>(&'a self, out: &'a mut dyn Write, _: &'a WriteOptions) -> Result<Box<dyn Writing + 'a>, FormatError> {
        Ok(Box::new(File { out, line: Line::new(), users: None }))
    }
}

const REALM: Setting = Setting { name: "realm", about: "the realm of the users", needed: true };
const RESOLVER: Setting = Setting { name: "resolver", about: "the resolver that knows the users", needed: true };
const USERNAME: Setting = Setting {
    name: "username",
    about: "upn: the whole UPN is the user's name there, as if it is left out; name: what stands before the @",
    needed: false,
};

impl WriteFormat for PrivacyIdea2 {
    fn extension(&self) -> &'static str {
        "csv"
    }

    fn settings(&self) -> &'static [Setting] {
        &[REALM, RESOLVER, USERNAME]
    }

    fn refuses(&self, package: &KeyPackage, _: &Params, _: &WriteOptions) -> Option<Refusal> {
        let [serial, _, _, upn, _] = texts(package);
        cells([upn, serial]).or_else(|| guessed_hash(package))
    }

    fn begin<'a>(
        &'a self,
        out: &'a mut dyn Write,
        options: &'a WriteOptions,
    ) -> Result<Box<dyn Writing + 'a>, FormatError> {
        let whole = match options.setting(&USERNAME)? {
            None | Some("upn") => true,
            Some("name") => false,
            Some(_) => return Err(FormatError::SettingValue { name: USERNAME.name }),
        };
        let cell = |setting: &Setting| {
            let value = options.setting(setting)?.unwrap_or_default();
            let plain = cells([(setting.name, Some(value))]).is_none();
            plain.then_some(value).ok_or(FormatError::SettingValue { name: setting.name })
        };
        let place = format!(", {}, {}, ", cell(&RESOLVER)?, cell(&REALM)?);
        let mut line = Line::new();
        line.add("# version: 2\n").write(out)?;
        Ok(Box::new(File { out, line, users: Some(Users { whole, place }) }))
    }
}

/// A comma always divides, and `#` at the beginning of a line hides it.
fn cells<const N: usize>(texts: [(&'static str, Option<&str>); N]) -> Option<Refusal> {
    let hidden = texts.iter().find(|(_, text)| text.is_some_and(|text| text.starts_with('#')));
    let hidden = hidden.map(|(what, _)| Refusal::Character { what, character: '#' });
    hidden.or_else(|| bare_cells(texts, &[',']))
}

/// Whether the importer would take the seed for one of another hash: a length that is the length of a hash's output
/// counts as that hash, any other as SHA-1.
fn guessed_hash(package: &KeyPackage) -> Option<Refusal> {
    let (len, algorithm) = (package.seed.len(), package.params.algorithm());
    let guess = match len {
        28 => "sha224",
        32 => "sha256",
        48 => "sha384",
        64 => "sha512",
        _ => "sha1",
    };
    (guess != algorithm.as_str()).then_some(Refusal::GuessedHash { len, guess, algorithm })
}

struct Users {
    /// Whether the name is the whole UPN.
    whole: bool,
    /// The cells between the name and the serial number.
    place: String,
}

struct File<'a> {
    out: &'a mut dyn Write,
    line: Line,
    users: Option<Users>,
}

impl Writing for File<'_> {
    fn write(&mut self, package: &KeyPackage) -> Result<(), FormatError> {
        let line = &mut self.line;
        if let Some(users) = &self.users {
            let upn = package.upn.as_deref().unwrap_or_default();
            let name = upn.split_once('@').map_or(upn, |(name, _)| name);
            line.add(if users.whole { upn } else { name }).add(&users.place);
        }
        let (kind, factor) = match package.params {
            Params::Totp(params) => ("totp", params.step.seconds().into()),
            Params::Hotp(params) => ("hotp", params.counter),
        };
        line.add(package.serial.as_ref().map_or("", SerialNumber::as_str)).add(", ").add(&*package.seed.to_hex());
        line.add(", ").add(kind).add(", ").add_value(package.params.digits()).add(", ").add_value(factor).add("\n");
        line.write(self.out)
    }

    fn finish(self: Box<Self>) -> Result<(), FormatError> {
        Ok(())
    }
}
