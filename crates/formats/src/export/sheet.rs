//! A sheet of QR codes to print: a page of HTML that stands alone, without scripts.

use std::io::Write;

use oathburn_oath::Params;

use crate::export::Line;
use crate::export::otpauth::{self, uri};
use crate::{Fidelity, Format, FormatError, KeyPackage, QrCode, Refusal, WriteFormat, WriteOptions, Writing};

/// What the largest QR code holds with correction of level M (ISO/IEC 18004, table 7), in bytes.
const MAX_URI: usize = 2331;

/// Nothing is loaded and nothing runs, whatever a name in it says.
const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer">
<title>QR codes of tokens</title>
<style>
body { font: 11pt/1.3 sans-serif; margin: 10mm; color: #000; background: #fff; }
main { display: flex; flex-wrap: wrap; gap: 8mm; }
figure { margin: 0; padding: 4mm; width: 78mm; border: .3mm solid #888; break-inside: avoid; box-sizing: border-box; }
svg { display: block; width: 60mm; height: 60mm; margin: 0 auto 3mm; }
b, span { display: block; overflow-wrap: anywhere; }
@media print { body { margin: 0; } }
</style>
</head>
<body>
<p>Whoever sees a code below can make its user's codes: give it to its user alone, and destroy this sheet.</p>
<main>
"#;

/// The format.
pub(crate) struct Sheet;

impl Format for Sheet {
    fn id(&self) -> &'static str {
        "qr-sheet"
    }

    fn title(&self) -> &'static str {
        "QR codes of key URIs, a page to print (HTML)"
    }

    fn fidelity(&self) -> &'static Fidelity {
        // Number and model are printed beside a code; whoever scans it does not get them.
        &otpauth::FIDELITY
    }

    fn writer(&self) -> Option<&dyn WriteFormat> {
        Some(self)
    }
}

impl WriteFormat for Sheet {
    fn extension(&self) -> &'static str {
        "html"
    }

    fn refuses(&self, package: &KeyPackage, _: &Params, _: &WriteOptions) -> Option<Refusal> {
        otpauth::names(package).or_else(|| (uri(package).len() > MAX_URI).then_some(Refusal::QrTooLong))
    }

    fn begin<'a>(&'a self, out: &'a mut dyn Write, _: &'a WriteOptions) -> Result<Box<dyn Writing + 'a>, FormatError> {
        out.write_all(HEAD.as_bytes())?;
        Ok(Box::new(Page { out, line: Line::new() }))
    }
}

struct Page<'a> {
    out: &'a mut dyn Write,
    line: Line,
}

impl Writing for Page<'_> {
    fn write(&mut self, package: &KeyPackage) -> Result<(), FormatError> {
        let drawing = QrCode::new(&uri(package))?.to_inline_svg();
        self.line.add("<figure>").add(&*drawing).add("<figcaption>");
        self.line.add("<b><bdi>").add(escaped(package.upn.as_deref().unwrap_or_default())).add("</bdi></b>");
        for text in [package.issuer.as_deref(), package.model.as_deref()].into_iter().flatten() {
            self.line.add("<span><bdi>").add(escaped(text)).add("</bdi></span>");
        }
        if let Some(serial) = &package.serial {
            self.line.add("<span>").add(escaped(serial.as_str())).add("</span>");
        }
        self.line.add("</figcaption></figure>\n").write(self.out)
    }

    fn finish(self: Box<Self>) -> Result<(), FormatError> {
        Ok(self.out.write_all(b"</main>\n</body>\n</html>\n")?)
    }
}

/// A text between tags.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
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
