//! The CSV file that is uploaded in the Microsoft Entra admin center.
//!
//! Documented in Microsoft's "Upload hardware OATH tokens": the header, word for word; Base32 of at most 128
//! characters without padding; 30 or 60 s. There is no column for the hash or the digits: SHA-1 and six are meant.
//! Line ends and quoting are not documented. Other tools that write the file end lines with CR LF and quote nothing,
//! and so does this.

use std::io::Write;

use oathburn_oath::{Algorithm, Params, SerialNumber};

use crate::export::{Line, bare_cells, texts};
use crate::{Carried, Fidelity, Format, FormatError, KeyPackage, Refusal, WriteFormat, WriteOptions, Writing};

const HEADER: &str = "upn,serial number,secret key,time interval,manufacturer,model";

/// The format.
pub(crate) struct Entra;

impl Format for Entra {
    fn id(&self) -> &'static str {
        "entra"
    }

    fn title(&self) -> &'static str {
        "Microsoft Entra ID, CSV for the admin center"
    }

    fn fidelity(&self) -> &'static Fidelity {
        &Fidelity {
            algorithms: &[Algorithm::Sha1],
            digits: &[6],
            steps: Some(&[30, 60]),
            event_based: false,
            max_seed_len: 80,
            serial: Carried::Needed,
            manufacturer: Carried::Needed,
            model: Carried::Needed,
            upn: Carried::Needed,
            issuer: Carried::No,
        }
    }

    fn writer(&self) -> Option<&dyn WriteFormat> {
        Some(self)
    }
}

impl WriteFormat for Entra {
    fn extension(&self) -> &'static str {
        "csv"
    }

    fn refuses(&self, package: &KeyPackage, _: &Params, _: &WriteOptions) -> Option<Refusal> {
        bare_cells(texts(package).into_iter().filter(|(what, _)| *what != "issuer"), &[',', '"'])
    }

    fn begin<'a>(&'a self, out: &'a mut dyn Write, _: &'a WriteOptions) -> Result<Box<dyn Writing + 'a>, FormatError> {
        let mut line = Line::new();
        line.add(HEADER).add("\r\n").write(out)?;
        Ok(Box::new(File { out, line }))
    }
}

struct File<'a> {
    out: &'a mut dyn Write,
    line: Line,
}

impl Writing for File<'_> {
    fn write(&mut self, package: &KeyPackage) -> Result<(), FormatError> {
        let step = package.params.totp()?.step;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        self.line.add(text(&package.upn)).add(",");
        self.line.add(package.serial.as_ref().map_or("", SerialNumber::as_str)).add(",");
        self.line.add(&*package.seed.to_base32()).add(",").add_value(step);
        self.line.add(",").add(text(&package.manufacturer)).add(",").add(text(&package.model)).add("\r\n");
        self.line.write(self.out)
    }

    fn finish(self: Box<Self>) -> Result<(), FormatError> {
        Ok(())
    }
}
