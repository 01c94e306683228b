//! The PingOne job that creates OATH tokens (`POST …/oathJobs`).
//!
//! Documented in the PingOne Platform API, "OATH Tokens": hex, six or eight digits; event-based tokens have SHA-1, and
//! no hash is said of them.

use std::io::Write;

use oathburn_oath::{Algorithm, Params, SerialNumber};

use crate::export::json::{self, Array};
use crate::{Carried, Fidelity, Format, FormatError, KeyPackage, Refusal, WriteFormat, WriteOptions, Writing};

/// The format.
pub(crate) struct PingOne;

impl Format for PingOne {
    fn id(&self) -> &'static str {
        "pingone"
    }

    fn title(&self) -> &'static str {
        "PingOne, job that creates tokens"
    }

    fn fidelity(&self) -> &'static Fidelity {
        &Fidelity {
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
        }
    }

    fn writer(&self) -> Option<&dyn WriteFormat> {
        Some(self)
    }
}

impl WriteFormat for PingOne {
    fn extension(&self) -> &'static str {
        "json"
    }

    fn refuses(&self, package: &KeyPackage, _: &Params, _: &WriteOptions) -> Option<Refusal> {
        match package.params {
            Params::Hotp(params) if params.algorithm != Algorithm::Sha1 => {
                Some(Refusal::EventBasedAlgorithm(params.algorithm))
            }
            _ => None,
        }
    }

    fn begin<'a>(&'a self, out: &'a mut dyn Write, _: &'a WriteOptions) -> Result<Box<dyn Writing + 'a>, FormatError> {
        Ok(Box::new(Job(Array::begin(out, "{\n  \"type\": \"CREATE_OATH_TOKENS\",\n  \"tokens\": [")?)))
    }
}

struct Job<'a>(Array<'a>);

impl Writing for Job<'_> {
    fn write(&mut self, package: &KeyPackage) -> Result<(), FormatError> {
        let params = &package.params;
        let (kind, inner) = match params {
            Params::Totp(params) => ("TOTP", format!("\"totp\": {{\n        \"timeStep\": {}", params.step)),
            Params::Hotp(params) => ("HOTP", format!("\"hotp\": {{\n        \"counter\": {}", params.counter)),
        };
        let line = self.0.element();
        let serial = package.serial.as_ref().map_or("", SerialNumber::as_str);
        line.add("    {\n      \"serialNumber\": ").add(json::text(serial));
        line.add(",\n      \"secret\": \"").add(&*package.seed.to_hex());
        line.add("\",\n      \"type\": \"").add(kind).add("\",\n      \"otpLength\": ").add_value(params.digits());
        if kind == "TOTP" {
            line.add(",\n      \"hashAlgorithm\": \"Hmac")
                .add(params.algorithm().as_str().to_ascii_uppercase())
                .add("\"");
        }
        line.add(",\n      ").add(inner).add("\n      }\n    }");
        self.0.end_element()
    }

    fn finish(self: Box<Self>) -> Result<(), FormatError> {
        self.0.end()
    }
}
