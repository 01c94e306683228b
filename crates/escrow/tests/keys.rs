//! Key files: made once, kept to oneself, read with suspicion.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use oathburn_escrow::*;
use oathburn_oath::Remedy;

fn code<T>(result: Result<T, EscrowError>) -> &'static str {
    result.err().expect("it must be refused").code()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_plain_file_leads_back_to_the_same_keys() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("officer.key");
    let officer = Officer::generate().unwrap();
    officer.create_file(&path, None).unwrap();
    assert_eq!(mode(&path), 0o600);
    assert!(!Officer::is_locked(&path).unwrap());
    assert_eq!(Officer::load(&path, None).unwrap().public(), officer.public());
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("# oathburn officer 1\n"));
    assert!(text.lines().any(|line| line.starts_with("AGE-SECRET-KEY-1")));
    assert!(text.contains(&officer.public().recipient));
    assert!(!format!("{officer:?}").contains("SECRET"));
}

#[test]
fn a_locked_file_asks_for_its_passphrase() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("officer.key");
    let officer = Officer::generate().unwrap();
    let passphrase = SecretString::from("correct horse battery staple");
    officer.create_file(&path, Some(&passphrase)).unwrap();
    assert_eq!(mode(&path), 0o600);
    assert!(Officer::is_locked(&path).unwrap());
    assert_eq!(Officer::load(&path, Some(&passphrase)).unwrap().public(), officer.public());
    assert_eq!(code(Officer::load(&path, None)), "key-file-locked");
    assert_eq!(code(Officer::load(&path, Some(&SecretString::from("wrong")))), "passphrase-wrong");
    let mut bytes = fs::read(&path).unwrap();
    assert!(!bytes.windows(14).any(|window| window == b"AGE-SECRET-KEY"));
    bytes.truncate(bytes.len() - 20);
    fs::write(&path, &bytes).unwrap();
    assert!(["key-file-foreign", "passphrase-wrong"].contains(&code(Officer::load(&path, Some(&passphrase)))));
}

#[test]
fn files_that_are_not_an_officers_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    assert_eq!(code(Officer::load(&path, None)), "key-file-missing");
    assert_eq!(code(Officer::is_locked(&path)), "key-file-missing");
    assert_eq!(code(Officer::load(folder.path(), None)), "key-file-io");
    let station = folder.path().join("station.key");
    StationKey::load_or_create(&station).unwrap();
    assert_eq!(code(Officer::load(&station, None)), "key-file-foreign");
    let officer = folder.path().join("officer.key");
    Officer::generate().unwrap().create_file(&officer, None).unwrap();
    assert_eq!(code(StationKey::load_or_create(&officer)), "key-file-foreign");
    let good = fs::read_to_string(&officer).unwrap();
    let age = good.lines().find(|line| line.starts_with("AGE")).unwrap();
    let signing = good.lines().find(|line| line.starts_with("OATHBURN")).unwrap();
    for bad in [
        String::new(),
        "hello".into(),
        format!("{age}\n"),
        format!("# oathburn officer 2\n{age}\n{signing}\n"),
        format!("# oathburn officer 1\n{age}\n"),
        format!("# oathburn officer 1\n{signing}\n"),
        format!("# oathburn officer 1\n{age}\n{signing}\n{signing}\n"),
        format!("# oathburn officer 1\n{age}\n{age}\n{signing}\n"),
        format!("# oathburn officer 1\n{age}\n{}\n", &signing[..signing.len() - 2]),
        format!("# oathburn officer 1\n{}\n{signing}\n", &age[..age.len() - 1]),
        "age-encryption.org/v1\n-> X25519 abc\n".into(),
    ] {
        fs::write(&path, &bad).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let passphrase = SecretString::from("x");
        assert_eq!(code(Officer::load(&path, Some(&passphrase))), "key-file-foreign", "{bad}");
    }
    fs::write(&path, vec![b'#'; 1 << 20]).unwrap();
    assert_eq!(code(Officer::load(&path, None)), "key-file-io");
    fs::write(&path, [0xff; 40]).unwrap();
    assert_eq!(code(Officer::load(&path, None)), "key-file-foreign");
}

#[test]
fn a_file_that_asks_for_too_much_work_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("officer.key");
    let passphrase = SecretString::from("x");
    let mut recipient = age::scrypt::Recipient::new(passphrase.clone());
    recipient.set_work_factor(2);
    let locked = age::encrypt(&recipient, b"whatever").unwrap();
    let text = String::from_utf8_lossy(&locked);
    let salt = text.lines().nth(1).unwrap().split(' ').nth(2).unwrap().to_owned();
    // The header's MAC comes after the work, so the number can be raised.
    let easy = format!("-> scrypt {salt} 2\n").into_bytes();
    let hard = format!("-> scrypt {salt} 40\n").into_bytes();
    let at = locked.windows(easy.len()).position(|window| window == easy).unwrap();
    let changed = [&locked[..at], &hard, &locked[at + easy.len()..]].concat();
    fs::write(&path, changed).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(code(Officer::load(&path, Some(&passphrase))), "passphrase-work");
}

#[test]
fn files_that_others_may_read_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("officer.key");
    Officer::generate().unwrap().create_file(&path, None).unwrap();
    for mode in [0o640, 0o604, 0o660, 0o606, 0o644] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(code(Officer::load(&path, None)), "key-file-exposed", "{mode:o}");
        assert_eq!(code(StationKey::load_or_create(&path)), "key-file-exposed", "{mode:o}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    Officer::load(&path, None).unwrap();
}

#[test]
fn a_key_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("officer.key");
    fs::write(&path, "precious").unwrap();
    let officer = Officer::generate().unwrap();
    assert_eq!(code(officer.create_file(&path, None)), "key-file-exists");
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    let dangling = folder.path().join("link");
    std::os::unix::fs::symlink(folder.path().join("nowhere"), &dangling).unwrap();
    assert_eq!(code(officer.create_file(&dangling, None)), "key-file-exists");
    assert_eq!(code(officer.create_file(&folder.path().join("missing/officer.key"), None)), "key-file-io");
}

#[test]
fn processes_that_make_a_stations_keys_at_once_get_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/station.key");
    let keys: Vec<_> = std::thread::scope(|scope| {
        let handles: Vec<_> =
            (0..8).map(|_| scope.spawn(|| StationKey::load_or_create(&path).unwrap().public())).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });
    assert!(keys.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&folder.path().join("a/b")), 0o700);
    // No half-made keys lie beside it.
    assert_eq!(fs::read_dir(folder.path().join("a/b")).unwrap().count(), 1);
    assert_eq!(code(StationKey::load_or_create(&path.join("below"))), "key-file-io");
}
