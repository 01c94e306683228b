//! Microsoft Graph's hardware OATH tokens (beta): the body that creates many, and bodies that create one each.
//!
//! Documented in the Graph reference: `hardwareOathTokenAuthenticationMethodDevice`, create and bulk create. Base32,
//! 30 or 60 s as a number, `hmacsha1` or `hmacsha256`, six digits. `assignTo` wants the object id of a user, which a
//! UPN is not: tokens are created unassigned.

use std::io::Write;

use oathburn_oath::{Algorithm, SerialNumber};

use crate::export::Line;
use crate::export::json::{self, Array};
use crate::{Carried, Fidelity, Format, FormatError, KeyPackage, WriteFormat, WriteOptions, Writing};

static FIDELITY: Fidelity = Fidelity {
    algorithms: &[Algorithm::Sha1, Algorithm::Sha256],
    digits: &[6],
    steps: Some(&[30, 60]),
    event_based: false,
    max_seed_len: 128,
    serial: Carried::Needed,
    manufacturer: Carried::Needed,
    model: Carried::Needed,
    upn: Carried::No,
    issuer: Carried::No,
};

/// One body for all: `PATCH …/hardwareOathDevices`.
pub(crate) struct Graph;

impl Format for Graph {
    fn id(&self) -> &'static str {
        "graph"
    }

    fn title(&self) -> &'static str {
        "Microsoft Graph (beta), body that creates many tokens"
    }

    fn fidelity(&self) -> &'static Fidelity {
        &FIDELITY
    }

    fn writer(&self) -> Option<&dyn WriteFormat> {
        Some(self)
    }
}

impl WriteFormat for Graph {
    fn extension(&self) -> &'static str {
        "json"
    }

    fn begin<'a>(&'a self, out: &'a mut dyn Write, _: &'a WriteOptions) -> Result<Box<dyn Writing + 'a>, FormatError> {
        Ok(Box::new(Bulk(Array::begin(out, "{\n  \"@context\": \"#$delta\",\n  \"value\": [")?)))
    }
}

struct Bulk<'a>(Array<'a>);

impl Writing for Bulk<'_> {
    fn write(&mut self, package: &KeyPackage) -> Result<(), FormatError> {
        let line = self.0.element();
        line.add("    {\n      \"@contentId\": \"");
        let number = self.0.count;
        let line = &mut self.0.line;
        line.add_value(number).add("\",\n");
        properties(line, package, "      ", "\n")?;
        line.add("    }");
        self.0.end_element()
    }

    fn finish(self: Box<Self>) -> Result<(), FormatError> {
        self.0.end()
    }
}

/// One body a line, each for a call of its own: `POST …/hardwareOathDevices`.
pub(crate) struct GraphCreate;

impl Format for GraphCreate {
    fn id(&self) -> &'static str {
        "graph-create"
    }

    fn title(&self) -> &'static str {
        "Microsoft Graph (beta), a line for each call that creates a token"
    }

    fn fidelity(&self) -> &'static Fidelity {
        &FIDELITY
    }

    fn writer(&self) -> Option<&dyn WriteFormat> {
        Some(self)
    }
}

impl WriteFormat for GraphCreate {
    fn extension(&self) -> &'static str {
        "jsonl"
    }

    fn begin<'a>(&'a self, out: &'a mut dyn Write, _: &'a WriteOptions) -> Result<Box<dyn Writing + 'a>, FormatError> {
        Ok(Box::new(Bodies { out, line: Line::new() }))
    }
}

struct Bodies<'a> {
    out: &'a mut dyn Write,
    line: Line,
}

impl Writing for Bodies<'_> {
    fn write(&mut self, package: &KeyPackage) -> Result<(), FormatError> {
        self.line.add("{");
        properties(&mut self.line, package, "", " ")?;
        self.line.add("}\n");
        self.line.write(self.out)
    }

    fn finish(self: Box<Self>) -> Result<(), FormatError> {
        Ok(())
    }
}

/// The properties of a token, each behind `indent` and before `space`, with commas between them.
fn properties(line: &mut Line, package: &KeyPackage, indent: &str, space: &str) -> Result<(), FormatError> {
    let text = |text: &Option<String>| json::text(text.as_deref().unwrap_or_default());
    let serial = package.serial.as_ref().map_or("", SerialNumber::as_str);
    let comma = [",", space].concat();
    line.add(indent).add("\"serialNumber\": ").add(json::text(serial)).add(&comma);
    line.add(indent).add("\"manufacturer\": ").add(text(&package.manufacturer)).add(&comma);
    line.add(indent).add("\"model\": ").add(text(&package.model)).add(&comma);
    line.add(indent).add("\"secretKey\": \"").add(&*package.seed.to_base32()).add("\"").add(&comma);
    line.add(indent).add("\"timeIntervalInSeconds\": ").add_value(package.params.totp()?.step).add(&comma);
    line.add(indent).add("\"hashFunction\": \"hmac").add_value(package.params.algorithm()).add("\"");
    line.add(space.trim_matches(' '));
    Ok(())
}
