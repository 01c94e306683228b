//! Writing key containers that every reader takes.

use std::fmt::Write as _;
use std::io::Write;

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use oathburn_oath::{Algorithm, Params};
use quick_xml::escape::escape;
use zeroize::Zeroizing;

use super::crypto::{Cipher, Hash, encrypt_cbc128, hmac_sha1};
use super::name_of;
use crate::{FormatError, KeyPackage, WriteOptions, Writing};

/// Rounds of PBKDF2: about half a second on a desk.
const ROUNDS: u32 = 600_000;

/// The keys of an encrypted container.
struct Keys {
    encryption: Zeroizing<[u8; 16]>,
    mac: Zeroizing<[u8; 20]>,
}

/// A container that is being written.
pub(super) struct Container<'a> {
    out: &'a mut dyn Write,
    keys: Option<Keys>,
    written: u64,
}

fn random<const N: usize>() -> Result<[u8; N], FormatError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| oathburn_oath::OathError::Random)?;
    Ok(bytes)
}

impl<'a> Container<'a> {
    pub(super) fn begin(out: &'a mut dyn Write, options: &WriteOptions) -> Result<Self, FormatError> {
        let mut head = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        head.push_str("<KeyContainer xmlns=\"urn:ietf:params:xml:ns:keyprov:pskc\"");
        let salt = random::<16>()?;
        let encryption = match (&options.key, &options.password) {
            (Some(key), _) => Some(shared_key(key)?),
            (None, Some(password)) => {
                let derived = Hash::Sha1.pbkdf2(password, &salt, ROUNDS, 16);
                Some(Zeroizing::new(derived[..].try_into().expect("sixteen bytes were asked for")))
            }
            (None, None) => None,
        };
        let keys = match encryption {
            Some(encryption) => Some(Keys { encryption, mac: Zeroizing::new(random()?) }),
            None => None,
        };
        if keys.is_some() {
            head.push_str(" xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"");
            head.push_str(" xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\"");
            if options.key.is_none() {
                head.push_str(" xmlns:xenc11=\"http://www.w3.org/2009/xmlenc11#\"");
                head.push_str(" xmlns:pkcs5=\"http://www.rsasecurity.com/rsalabs/pkcs/schemas/pkcs-5v2-0#\"");
            }
        }
        head.push_str(" Version=\"1.0\">\n");
        if let Some(keys) = &keys {
            head.push_str("  <EncryptionKey>\n");
            if options.key.is_some() {
                head.push_str("    <ds:KeyName>Pre-shared-key</ds:KeyName>\n");
            } else {
                derivation(&mut head, &salt);
            }
            head.push_str("  </EncryptionKey>\n");
            mac_method(&mut head, keys)?;
        }
        out.write_all(head.as_bytes()).map_err(FormatError::from)?;
        Ok(Self { out, keys, written: 0 })
    }

    /// The element of a seed.
    fn secret(&self, text: &mut String, seed: &[u8]) -> Result<(), FormatError> {
        let Some(keys) = &self.keys else {
            text.push_str("<PlainValue>");
            BASE64.encode_append(seed, text);
            text.push_str("</PlainValue>");
            return Ok(());
        };
        let value = encrypt_cbc128(&keys.encryption, &random()?, seed);
        let _ = write!(text, "<EncryptedValue Id=\"ED{}\">", self.written);
        encrypted(text, &value);
        text.push_str("</EncryptedValue><ValueMAC>");
        BASE64.encode_append(&hmac_sha1(&*keys.mac, &value), text);
        text.push_str("</ValueMAC>");
        Ok(())
    }
}

impl Writing for Container<'_> {
    fn write(&mut self, package: &KeyPackage) -> Result<(), FormatError> {
        let serial = package.serial.as_ref().ok_or(FormatError::CellMissing { column: "SerialNo" })?;
        let serial = escape(serial.as_str());
        // Room for all of it at once: a buffer that grows leaves unwiped copies behind.
        let mut text = Zeroizing::new(String::with_capacity(8 * 1024));
        text.push_str("  <KeyPackage>\n    <DeviceInfo>\n");
        element(&mut text, 6, "Manufacturer", package.manufacturer.as_deref());
        let _ = writeln!(text, "      <SerialNo>{serial}</SerialNo>");
        element(&mut text, 6, "Model", package.model.as_deref());
        text.push_str("    </DeviceInfo>\n");
        let kind = if package.params.step().is_some() { "totp" } else { "hotp" };
        let _ = writeln!(text, "    <Key Id=\"{serial}\" Algorithm=\"urn:ietf:params:xml:ns:keyprov:pskc:{kind}\">");
        element(&mut text, 6, "Issuer", package.issuer.as_deref());
        text.push_str("      <AlgorithmParameters>\n");
        // SHA-1 is what nothing means; other spellings are taken for it by some.
        let suite = match package.params.algorithm() {
            Algorithm::Sha1 => None,
            Algorithm::Sha256 => Some("SHA256"),
            Algorithm::Sha512 => Some("SHA512"),
        };
        element(&mut text, 8, "Suite", suite);
        let digits = package.params.digits();
        let _ = writeln!(text, "        <ResponseFormat Length=\"{digits}\" Encoding=\"DECIMAL\"/>");
        text.push_str("      </AlgorithmParameters>\n      <Data>\n        <Secret>");
        self.secret(&mut text, package.seed.expose())?;
        text.push_str("</Secret>\n");
        let mut number = |name: &str, value: u64| {
            let _ = writeln!(text, "        <{name}><PlainValue>{value}</PlainValue></{name}>");
        };
        match package.params {
            Params::Hotp(params) => number("Counter", params.counter),
            Params::Totp(params) => {
                number("Time", 0);
                number("TimeInterval", params.step.seconds().into());
                number("TimeDrift", 0);
            }
        }
        text.push_str("      </Data>\n");
        element(&mut text, 6, "UserId", package.upn.as_deref().map(name_of).as_deref());
        text.push_str("      <Policy><KeyUsage>OTP</KeyUsage></Policy>\n    </Key>\n  </KeyPackage>\n");
        self.out.write_all(text.as_bytes()).map_err(FormatError::from)?;
        self.written += 1;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), FormatError> {
        self.out.write_all(b"</KeyContainer>\n").and_then(|()| self.out.flush()).map_err(FormatError::from)
    }
}

fn element(text: &mut String, indent: usize, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        let _ = writeln!(text, "{:indent$}<{name}>{}</{name}>", "", escape(value));
    }
}

fn encrypted(text: &mut String, value: &[u8]) {
    let _ = write!(text, "<xenc:EncryptionMethod Algorithm=\"{}\"/>", Cipher::AES128_CBC);
    text.push_str("<xenc:CipherData><xenc:CipherValue>");
    BASE64.encode_append(value, text);
    text.push_str("</xenc:CipherValue></xenc:CipherData>");
}

fn mac_method(head: &mut String, keys: &Keys) -> Result<(), FormatError> {
    let _ = write!(head, "  <MACMethod Algorithm=\"{}\">\n    <MACKey>", Hash::HMAC_SHA1);
    encrypted(head, &encrypt_cbc128(&keys.encryption, &random()?, &*keys.mac));
    head.push_str("</MACKey>\n  </MACMethod>\n");
    Ok(())
}

/// The parameters' children have no namespace in the schema of PKCS #5, and the names of the keys must be there for
/// some readers.
fn derivation(head: &mut String, salt: &[u8]) {
    head.push_str("    <xenc11:DerivedKey>\n");
    head.push_str("      <xenc11:KeyDerivationMethod Algorithm=\"http://www.rsasecurity.com/rsalabs/pkcs/schemas/pkcs-5v2-0#pbkdf2\">\n");
    let _ = writeln!(
        head,
        "        <pkcs5:PBKDF2-params><Salt xmlns=\"\"><Specified>{}</Specified></Salt>\
         <IterationCount xmlns=\"\">{ROUNDS}</IterationCount><KeyLength xmlns=\"\">16</KeyLength>\
         <PRF xmlns=\"\"/></pkcs5:PBKDF2-params>",
        BASE64.encode(salt)
    );
    head.push_str("      </xenc11:KeyDerivationMethod>\n");
    head.push_str("      <xenc:ReferenceList><xenc:DataReference URI=\"#ED0\"/></xenc:ReferenceList>\n");
    head.push_str("      <xenc11:MasterKeyName>Passphrase</xenc11:MasterKeyName>\n    </xenc11:DerivedKey>\n");
}

/// Sixteen bytes, themselves or in hex.
fn shared_key(secret: &[u8]) -> Result<Zeroizing<[u8; 16]>, FormatError> {
    let wrong = |_| FormatError::KeyLength;
    let text = secret.trim_ascii();
    if text.len() == 32
        && let Ok(bytes) = HEXLOWER_PERMISSIVE.decode(text)
    {
        return Zeroizing::new(bytes)[..].try_into().map(Zeroizing::new).map_err(wrong);
    }
    secret.try_into().map(Zeroizing::new).map_err(wrong)
}
