//! Files that somebody encrypted with age for us (age-encryption.org/v1).

use std::io::{BufReader, Read};
use std::str::FromStr;

use secrecy::SecretString;

use crate::EscrowError;

/// The text inside an age file, armoured or not: with the password that it was encrypted under, or with the identities
/// (`AGE-SECRET-KEY-1…`, one a line) of somebody that it was encrypted to.
pub fn open_message<'a>(
    file: impl Read + 'a,
    password: Option<&SecretString>,
    identities: Option<&str>,
) -> Result<Box<dyn Read + 'a>, EscrowError> {
    let refused = |_| EscrowError::MessageNotOpened;
    let armoured = age::armor::ArmoredReader::new(BufReader::new(file));
    let decryptor = age::Decryptor::new_buffered(BufReader::new(armoured)).map_err(refused)?;
    if decryptor.is_scrypt() {
        let password = password.ok_or(EscrowError::MessageKeyNeeded { what: "password" })?;
        let identity = age::scrypt::Identity::new(password.clone());
        let plain = decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity)).map_err(refused)?;
        return Ok(Box::new(plain));
    }
    let text = identities.ok_or(EscrowError::MessageKeyNeeded { what: "identity" })?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let identities: Result<Vec<_>, _> = lines.map(age::x25519::Identity::from_str).collect();
    let identities = identities.map_err(|_| EscrowError::MessageNotOpened)?;
    let plain = decryptor.decrypt(identities.iter().map(|one| one as &dyn age::Identity)).map_err(refused)?;
    Ok(Box::new(plain))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn encrypted(encryptor: age::Encryptor, armoured: bool) -> Vec<u8> {
        let format = if armoured { age::armor::Format::AsciiArmor } else { age::armor::Format::Binary };
        let armour = age::armor::ArmoredWriter::wrap_output(Vec::new(), format).unwrap();
        let mut writer = encryptor.wrap_output(armour).unwrap();
        writer.write_all(b"upn,serial number").unwrap();
        writer.finish().unwrap().finish().unwrap()
    }

    fn read(file: &[u8], password: Option<&str>, identities: Option<&str>) -> Result<String, EscrowError> {
        let password = password.map(SecretString::from);
        let mut text = String::new();
        open_message(file, password.as_ref(), identities)?.read_to_string(&mut text).unwrap();
        Ok(text)
    }

    #[test]
    fn a_file_for_an_identity_opens_with_it() {
        use age::secrecy::ExposeSecret;
        let identity = age::x25519::Identity::generate();
        let recipient = identity.to_public();
        let own = format!("# mine\n{}\n", identity.to_string().expose_secret());
        let others = age::x25519::Identity::generate().to_string().expose_secret().to_owned();
        for armoured in [true, false] {
            let recipients = std::iter::once(&recipient as &dyn age::Recipient);
            let file = encrypted(age::Encryptor::with_recipients(recipients).unwrap(), armoured);
            assert_eq!(read(&file, None, Some(&own)).unwrap(), "upn,serial number");
            let refused = |identities| read(&file, Some("x"), identities).unwrap_err();
            assert!(matches!(refused(Some(&others)), EscrowError::MessageNotOpened));
            assert!(matches!(refused(Some("nonsense")), EscrowError::MessageNotOpened));
            assert!(matches!(refused(None), EscrowError::MessageKeyNeeded { what: "identity" }));
        }
        assert!(matches!(read(b"age-encryption.org/v1\n", None, None), Err(EscrowError::MessageNotOpened)));
    }

    #[test]
    fn a_file_under_a_password_opens_with_it() {
        let mut recipient = age::scrypt::Recipient::new(SecretString::from("correct horse"));
        recipient.set_work_factor(4);
        let recipients = std::iter::once(&recipient as &dyn age::Recipient);
        let file = encrypted(age::Encryptor::with_recipients(recipients).unwrap(), true);
        assert_eq!(read(&file, Some("correct horse"), None).unwrap(), "upn,serial number");
        assert!(matches!(read(&file, Some("wrong horse"), None), Err(EscrowError::MessageNotOpened)));
        let needed = read(&file, None, None).unwrap_err();
        assert!(matches!(needed, EscrowError::MessageKeyNeeded { what: "password" }));
    }
}
