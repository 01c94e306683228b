//! What of an order is done, for the identity provider.

use oathburn_escrow::{BatchId, Disclosure, Facts, Filter, Purpose};
use oathburn_formats::{FORMATS, Format, KeyPackage, WriteOptions};
use oathburn_oath::{Params, TokenRecord};
use zeroize::Zeroizing;

use crate::{Desk, DeskError};

/// Entra's import of hardware tokens.
const FORMAT: &str = "entra";
/// More than a row of the file has: a buffer that grows leaves unwiped copies behind.
const ROW: usize = 1024;

impl Desk {
    /// The seeds of all tokens of an order that are done, as Entra imports them; and how many. Which seeds leave, and why,
    /// is noted before they do. Nothing leaves where Entra would not take one of them.
    pub fn export_order(
        &self,
        person: &str,
        id: BatchId,
        reason: &str,
    ) -> Result<(Zeroizing<Vec<u8>>, usize), DeskError> {
        self.order(id)?;
        if reason.trim().is_empty() || reason.len() > Facts::MAX_TEXT {
            return Err(DeskError::ReasonMissing);
        }
        let format: &dyn Format = *FORMATS.iter().find(|format| format.id() == FORMAT).ok_or(DeskError::Broken)?;
        let writer = format.writer().ok_or(DeskError::Broken)?;
        let options = WriteOptions::default();
        let opener = self.opener.acting_for(person);
        let (mut first, mut refused): (Option<Params>, Option<String>) = (None, None);
        let filter = Filter { batch: Some(id), ..Filter::default() };
        let selection = opener.select(
            &filter,
            |_| true,
            |entry, record| {
                let package = package(record, &options);
                let of_first = first.unwrap_or(record.params);
                let refusal = format.fidelity().refuses(&package);
                match refusal.or_else(|| writer.refuses(&package, &of_first, &options)) {
                    None => first = Some(of_first),
                    Some(refusal) => {
                        refused.get_or_insert_with(|| format!("{}: {refusal}", entry.identity.serial));
                    }
                }
                true
            },
        )?;
        if let Some(why) = refused {
            return Err(DeskError::ExportRefused { why });
        }
        let entries = selection.entries().to_vec();
        if entries.is_empty() {
            return Err(DeskError::NothingDone);
        }
        let count = i64::try_from(entries.len()).unwrap_or(i64::MAX);
        let facts = Facts::new().with("format", FORMAT).with("tokens", count).with("batch", id.to_string());
        let disclosure = Disclosure { facts, reason: Some(reason.into()), ..Disclosure::new(Purpose::Export) };
        let mut out = Zeroizing::new(Vec::with_capacity((entries.len() + 1) * ROW));
        let broken = |_| DeskError::Broken;
        {
            let records = selection.hand_out(&disclosure)?;
            let sink: &mut Vec<u8> = &mut out;
            let mut writing = writer.begin(sink, &options).map_err(broken)?;
            for record in records {
                writing.write(&package(&record?, &options)).map_err(broken)?;
            }
            writing.finish().map_err(broken)?;
        }
        self.escrow.acting_for(person).note_exported(&entries, FORMAT, Some(reason))?;
        Ok((out, entries.len()))
    }
}

fn package(record: &TokenRecord, options: &WriteOptions) -> KeyPackage {
    let mut package = KeyPackage {
        serial: Some(record.identity.serial.clone()),
        manufacturer: record.manufacturer.clone(),
        model: record.model.clone(),
        upn: record.upn.clone(),
        issuer: record.issuer.clone(),
        params: record.params,
        seed: record.seed.clone(),
    };
    options.fill(&mut package);
    package
}
