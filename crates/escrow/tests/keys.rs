//! Key files: made once, kept to oneself, read with suspicion.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

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

/// A key that the real `ssh-keygen` makes.
fn ssh_keygen(path: &Path, options: &[&str]) {
    let mut command = std::process::Command::new("ssh-keygen");
    let status = command.args(["-q", "-C", "alice@desk", "-f"]).arg(path).args(options).status();
    assert!(status.is_ok_and(|status| status.success()), "ssh-keygen {options:?}");
}

#[test]
fn an_ssh_key_opens_and_signs() {
    let home = support::Home::new();
    let path = home.path("id_ed25519");
    ssh_keygen(&path, &["-t", "ed25519", "-N", ""]);
    assert!(!Officer::is_locked(&path).unwrap());
    let alice = Officer::load(&path, None).unwrap();
    let public = fs::read_to_string(home.path("id_ed25519.pub")).unwrap();
    assert_eq!(alice.public().recipient, public.trim().rsplit_once(' ').unwrap().0);
    // The key that signs is not the one that opens a door elsewhere.
    let point = data_encoding::BASE64.decode(public.split(' ').nth(1).unwrap().as_bytes()).unwrap();
    assert_ne!(alice.public().writer.as_bytes(), &point[point.len() - 32..]);
    assert_eq!(Officer::load(&path, None).unwrap().public(), alice.public());
    assert_eq!(code(alice.create_file(&home.path("copy"), None)), "key-file-ssh");

    let escrow = home.open();
    let before = support::reserve(&escrow, "0001", b"sealed before");
    let member = Member::new("Alice", alice.public()).unwrap();
    let line = PublicLine { role: Role::Officer, member };
    assert_eq!(line.to_string().parse::<PublicLine>().unwrap(), line);
    let custodian = escrow.custodian(home.officer()).unwrap();
    custodian.add(&line).unwrap();
    custodian.renew(Depth::Roster, &mut |_| {}).unwrap();
    let after = support::reserve(&escrow, "0002", b"sealed after");
    let opener = escrow.opener(alice).unwrap();
    for (id, seed) in [(before, &b"sealed before"[..]), (after, b"sealed after")] {
        let entry = escrow.entry(&id.to_string()).unwrap();
        assert_eq!(opener.open(&entry, &Disclosure::new(Purpose::Reveal)).unwrap().seed.expose(), seed);
    }
    let officer = Officer::load(&path, None).unwrap();
    assert_eq!(escrow.check(Some(&officer)).unwrap().findings, []);
    // Removed by the SSH key, the first officer opens nothing any more; the SSH key is the only one, and stays.
    let by_ssh = escrow.custodian(officer).unwrap();
    by_ssh.remove(Role::Officer, "alice").unwrap();
    assert_eq!(by_ssh.renew(Depth::Roster, &mut |_| {}).unwrap().seeds, 2);
    assert_eq!(code(by_ssh.remove(Role::Officer, "Alice")), "officer-last");
    assert_eq!(code(escrow.opener(home.officer())), "officer-unknown");
    assert_eq!(escrow.check(Some(&Officer::load(&path, None).unwrap())).unwrap().findings, []);
}

#[test]
fn an_ssh_key_with_a_passphrase_asks_for_it() {
    let folder = tempfile::tempdir().unwrap();
    for cipher in ["aes256-ctr", "aes256-gcm@openssh.com"] {
        let path = folder.path().join(cipher);
        ssh_keygen(&path, &["-t", "ed25519", "-N", "correct horse", "-a", "1", "-Z", cipher]);
        assert!(Officer::is_locked(&path).unwrap());
        assert_eq!(code(Officer::load(&path, None)), "key-file-locked");
        assert_eq!(code(Officer::load(&path, Some(&SecretString::from("wrong")))), "passphrase-wrong");
        let officer = Officer::load(&path, Some(&SecretString::from("correct horse"))).unwrap();
        let public = fs::read_to_string(path.with_file_name(format!("{cipher}.pub"))).unwrap();
        assert!(public.starts_with(&officer.public().recipient));
    }
    // The number of rounds can be raised by whoever can write the file.
    let path = folder.path().join("aes256-ctr");
    let text = fs::read_to_string(&path).unwrap();
    let (first, last) = ("-----BEGIN OPENSSH PRIVATE KEY-----\n", "-----END OPENSSH PRIVATE KEY-----\n");
    let base64: String = text.trim_start_matches(first).trim_end_matches(last).split_whitespace().collect();
    let mut blob = data_encoding::BASE64.decode(base64.as_bytes()).unwrap();
    let bcrypt = blob.windows(6).position(|window| window == b"bcrypt").unwrap();
    // The name, then the options: their length, that of the salt, the salt, the rounds.
    let rounds = &mut blob[bcrypt + 6 + 4 + 4 + 16..][..4];
    assert_eq!(rounds, [0, 0, 0, 1]);
    rounds.copy_from_slice(&1_000_000_000_u32.to_be_bytes());
    let base64 = data_encoding::BASE64.encode(&blob);
    let lines: Vec<_> = base64.as_bytes().chunks(70).map(|line| std::str::from_utf8(line).unwrap()).collect();
    fs::write(&path, format!("{first}{}\n{last}", lines.join("\n"))).unwrap();
    assert_eq!(code(Officer::load(&path, Some(&SecretString::from("correct horse")))), "passphrase-work");
}

#[test]
fn other_ssh_keys_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    ssh_keygen(&path("ecdsa"), &["-t", "ecdsa", "-N", ""]);
    ssh_keygen(&path("rsa"), &["-t", "rsa", "-b", "2048", "-N", ""]);
    ssh_keygen(&path("pem"), &["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", ""]);
    for name in ["ecdsa", "rsa", "pem"] {
        assert_eq!(code(Officer::is_locked(&path(name))), "key-file-ssh", "{name}");
        assert_eq!(code(Officer::load(&path(name), None)), "key-file-ssh", "{name}");
    }
    ssh_keygen(&path("good"), &["-t", "ed25519", "-N", ""]);
    let good = fs::read_to_string(path("good")).unwrap();
    for bad in [&good[..good.len() / 2], &good.replace("b3BlbnNz", "b3BlbnNx")] {
        fs::write(path("good"), bad).unwrap();
        assert_eq!(code(Officer::load(&path("good"), None)), "key-file-foreign");
    }
    fs::write(path("good"), good).unwrap();
    fs::set_permissions(path("good"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(code(Officer::load(&path("good"), None)), "key-file-exposed");
}
