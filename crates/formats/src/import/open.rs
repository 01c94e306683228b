//! What a file is, before it is read: its wrapping, and its format.

use zeroize::Zeroizing;

use crate::import::text::{Text, unreadable};
use crate::{FORMATS, Format, FormatError, Likeness};

/// What is around the text, told by the first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrapping {
    /// Nothing.
    Bare,
    /// A picture, which may show QR codes.
    Picture,
    /// Encrypted with age (age-encryption.org/v1), armoured or not.
    Age,
    /// Encrypted with `OpenPGP` (RFC 9580), armoured or not.
    Pgp,
    /// A ZIP archive. Some makers call it `.pdf`.
    Zip,
    /// A gzip stream.
    Gzip,
    /// A page to print.
    Pdf,
    /// A spreadsheet's own file.
    Spreadsheet,
}

/// Says what is around a text. `head` is the beginning of the file, as it lies there.
pub fn wrapping(head: &[u8]) -> Wrapping {
    const BEGINNINGS: &[(&[u8], Wrapping)] = &[
        (b"\x89PNG\r\n", Wrapping::Picture),
        (b"\xff\xd8\xff", Wrapping::Picture),
        (b"age-encryption.org/", Wrapping::Age),
        (b"-----BEGIN AGE ENCRYPTED FILE-----", Wrapping::Age),
        (b"-----BEGIN PGP MESSAGE-----", Wrapping::Pgp),
        (b"\x1f\x8b", Wrapping::Gzip),
        (b"%PDF-", Wrapping::Pdf),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Wrapping::Spreadsheet),
    ];
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let begins = |(beginning, _): &&(&[u8], Wrapping)| head.starts_with(beginning) || text.starts_with(beginning);
    if let Some((_, wrapping)) = BEGINNINGS.iter().find(begins) {
        return *wrapping;
    }
    if head.starts_with(b"PK\x03\x04") {
        // What a spreadsheet writes is an archive, whose first file lists the others.
        let named = |name: &[u8]| head.windows(name.len()).take(4096).any(|window| window == name);
        let spreadsheet = named(b"[Content_Types].xml") || named(b"application/vnd.oasis.opendocument.spreadsheet");
        return if spreadsheet { Wrapping::Spreadsheet } else { Wrapping::Zip };
    }
    // A packet of a session key: encrypted to a key (1) or under a password (3).
    let packet = matches!(head.first(), Some(0x84..=0x86 | 0x8c..=0x8e | 0xc1 | 0xc3));
    if packet && std::str::from_utf8(&head[..head.len().min(4096)]).is_err() { Wrapping::Pgp } else { Wrapping::Bare }
}

impl Wrapping {
    /// Refuses what only another program can take off.
    pub fn check(self) -> Result<(), FormatError> {
        match self {
            Self::Bare | Self::Picture | Self::Age => Ok(()),
            Self::Pgp | Self::Zip | Self::Gzip | Self::Pdf | Self::Spreadsheet => {
                Err(FormatError::Wrapped { wrapping: self })
            }
        }
    }

    /// What it is called.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "a text",
            Self::Picture => "a picture",
            Self::Age => "an age message",
            Self::Pgp => "an OpenPGP message",
            Self::Zip => "a ZIP archive",
            Self::Gzip => "a gzip archive",
            Self::Pdf => "a PDF",
            Self::Spreadsheet => "a spreadsheet",
        }
    }
}

/// The format that a file says it has, or the first that it may have. `head` is the beginning of the file, as it lies
/// there, up to 64 KiB.
pub fn identify(head: &[u8]) -> Result<&'static dyn Format, FormatError> {
    let mut text = Text::new(head);
    let mut decoded = Zeroizing::new(Vec::new());
    // Half a character at the end of what was shown is no mistake.
    let read = text.head().map(<[u8]>::to_vec).map(Zeroizing::new);
    match read {
        Ok(read) => decoded = read,
        Err(_) if head.len() > 4 => {}
        Err(error) => return Err(unreadable(&error)),
    }
    if decoded.trim_ascii().is_empty() {
        return Err(FormatError::FileEmpty);
    }
    if decoded.contains(&0) {
        return Err(FormatError::NotText);
    }
    let readable = || FORMATS.iter().copied().filter(|format| format.reader().is_some());
    let like = |likeness: Likeness| readable().find(|format| format.sniff(&decoded) == likeness);
    like(Likeness::Sure).or_else(|| like(Likeness::Maybe)).ok_or(FormatError::FormatUnknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappings_are_told_by_their_first_bytes() {
        let pgp = [0x85, 0x01, 0x0c, 0x03, 0xff, 0xfe];
        for (head, expected) in [
            (&b"upn,serial number"[..], Wrapping::Bare),
            (b"", Wrapping::Bare),
            (b"\x89PNG\r\n\x1a\n", Wrapping::Picture),
            (b"\xff\xd8\xff\xe0", Wrapping::Picture),
            (b"age-encryption.org/v1\n", Wrapping::Age),
            (b"\n-----BEGIN AGE ENCRYPTED FILE-----\n", Wrapping::Age),
            (b"\xef\xbb\xbf-----BEGIN PGP MESSAGE-----\n", Wrapping::Pgp),
            (&pgp, Wrapping::Pgp),
            (b"\xc3\xa9t\xc3\xa9,1", Wrapping::Bare),
            (b"PK\x03\x04seeds.csv", Wrapping::Zip),
            (b"PK\x03\x04....[Content_Types].xml", Wrapping::Spreadsheet),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Wrapping::Spreadsheet),
            (b"%PDF-1.7", Wrapping::Pdf),
            (b"\x1f\x8b\x08", Wrapping::Gzip),
        ] {
            assert_eq!(wrapping(head), expected, "{head:?}");
            assert_eq!(
                expected.check().is_err(),
                matches!(
                    expected,
                    Wrapping::Pgp | Wrapping::Zip | Wrapping::Gzip | Wrapping::Pdf | Wrapping::Spreadsheet
                )
            );
        }
    }

    #[test]
    fn nothing_and_anything_have_no_format() {
        assert_eq!(identify(b"").err(), Some(FormatError::FileEmpty));
        assert_eq!(identify(b" \n").err(), Some(FormatError::FileEmpty));
        assert_eq!(identify(b"dear sirs").err(), Some(FormatError::FormatUnknown));
        assert_eq!(identify(&[0, 0, 0, 0, 1]).err(), Some(FormatError::NotText));
    }
}
