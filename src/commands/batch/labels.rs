//! `oathburn batch labels`: what is stuck on envelopes and handed over with the tokens, as HTML to print. No secrets.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use oathburn_escrow::{Line, LineState};
use oathburn_formats::QrCode;
use serde_json::json;

use super::status::chosen;
use crate::commands::Result;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Outcome, printable};
use crate::whole_file::write_whole;

/// Write labels or hand-over sheets for the tokens that are done, as HTML to print
///
/// Each has the user, the serial number, also as QR code, and what to do with the token. There is no secret in it.
#[derive(Args, Debug)]
pub(crate) struct Labels {
    /// The batch, or the beginning of its id [default: the only one that is running, or the newest]
    batch: Option<String>,
    /// The file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// One page for each user, with instructions and room for a signature, instead of labels
    #[arg(long)]
    sheets: bool,
}

impl Labels {
    pub(crate) fn run(self, context: &Context) -> Result {
        let escrow = context.escrow()?;
        let batch = chosen(&escrow, self.batch.as_deref())?;
        let mut page = String::from(if self.sheets { SHEETS_HEAD } else { LABELS_HEAD });
        let (mut count, mut broken) = (0_u64, None);
        escrow.each_line(batch.id, |line| {
            if line.state == LineState::Done && broken.is_none() {
                match add(&mut page, &line, self.sheets) {
                    Ok(()) => count += 1,
                    Err(failure) => broken = Some(failure),
                }
            }
        })?;
        if let Some(failure) = broken {
            return Err(failure);
        }
        page.push_str("</body>\n</html>\n");
        write_whole(&self.out, |out| out.write_all(page.as_bytes()))?;
        let what = if self.sheets { "sheets" } else { "labels" };
        let json = json!({ "batch": batch.id.to_string(), "file": self.out.display().to_string(), "count": count });
        Ok(Outcome::new(json, format!("{count} {what} written to {}\n", self.out.display())))
    }
}

fn add(page: &mut String, line: &Line, sheet: bool) -> std::result::Result<(), Failure> {
    let Some(entry) = &line.entry else { return Ok(()) };
    let serial = entry.identity.serial.as_str();
    let code = QrCode::new(serial)?.to_svg();
    // The drawing alone, without what only a file of its own begins with.
    let code = code.find("<svg").map_or("", |start| &code[start..]);
    let optional = |class: &str, text: Option<&str>| {
        text.map_or_else(String::new, |text| format!("<p class=\"{class}\">{}</p>\n", escape(text)))
    };
    let upn = optional("upn", line.upn.as_deref().or(entry.upn.as_deref()));
    let more = optional("label", line.label.as_deref()) + &optional("model", entry.model.as_deref());
    let serial = escape(serial);
    // Writing to a string cannot fail.
    let _ = write!(page, "<section>\n<div class=\"qr\">{code}</div>\n{upn}<p class=\"serial\">{serial}</p>\n{more}");
    if sheet {
        let issuer = line.issuer.as_deref().map_or_else(|| "your account".into(), escape);
        let _ = write!(
            page,
            "<h1>Your token for signing in</h1>\n<ol>\n\
             <li>Compare the number on the back of the token with the number above.</li>\n\
             <li>When you sign in to {issuer} and are asked for a code, press the button and type the digits on the display. A \
             code can be used once and lasts for {} seconds.</li>\n\
             <li>Keep the token with you and give it to nobody. Nobody will ever ask you for its codes on the telephone.</li>\n\
             <li>If it is lost, broken, or shows codes that are refused, tell the helpdesk the number above.</li>\n</ol>\n\
             <p class=\"sign\">Received on ______________________ by ____________________________________________</p>\n",
            line.params.step
        );
    }
    page.push_str("</section>\n");
    Ok(())
}

/// Text inside HTML; what a printer cannot show is made visible first.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

const LABELS_HEAD: &str = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Labels</title>\n<style>\n\
    @page { margin: 10mm }\n\
    body { font: 9pt sans-serif; margin: 0; display: grid; grid-template-columns: repeat(3, 1fr); gap: 2mm }\n\
    section { border: 1px dotted #999; padding: 2mm; height: 28mm; overflow: hidden; break-inside: avoid }\n\
    p { margin: 0 0 1mm; overflow-wrap: anywhere }\n\
    .qr { float: right; width: 20mm } .qr svg { width: 20mm; height: 20mm }\n\
    .upn { font-weight: bold } .serial { font-family: monospace }\n</style>\n</head>\n<body>\n";

const SHEETS_HEAD: &str = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Hand-over sheets</title>\n<style>\n\
    @page { margin: 20mm }\n\
    body { font: 12pt sans-serif; margin: 0 }\n\
    section { break-after: page }\n\
    p { overflow-wrap: anywhere }\n\
    .qr { float: right; width: 35mm } .qr svg { width: 35mm; height: 35mm }\n\
    .upn { font-weight: bold } .serial { font-family: monospace; font-size: 16pt }\n\
    h1 { clear: both } li { margin-bottom: 4mm } .sign { margin-top: 20mm }\n</style>\n</head>\n<body>\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_become_markup() {
        assert_eq!(escape("a<script>&\"'\u{202e}"), "a&lt;script&gt;&amp;&quot;&#39;\\u{202e}");
    }
}
