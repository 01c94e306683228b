//! What lies in the files of an escrow.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::os::unix::fs::PermissionsExt;

use oathburn_escrow::*;
use support::*;

#[test]
fn nothing_of_a_seed_lies_in_the_files() {
    let home = Home::new();
    let seed = b"\x8f!very secret seed of a token\xfe\x01";
    let escrow = home.open();
    let id = reserve(&escrow, "0001", seed);
    let opener = escrow.opener(home.officer()).unwrap();
    opener.open(&escrow.entry(&id.to_string()).unwrap(), &Disclosure::new(Purpose::ShowCodes)).unwrap();
    escrow.mark_programmed(id, &Programmed::default()).unwrap();
    let forms = |seed: &[u8]| {
        let texts = [
            data_encoding::HEXLOWER.encode(seed),
            data_encoding::HEXUPPER.encode(seed),
            data_encoding::BASE32_NOPAD.encode(seed),
            data_encoding::BASE64_NOPAD.encode(seed),
        ];
        texts.map(String::into_bytes).into_iter().chain([seed.to_vec()])
    };
    let contains = |bytes: &[u8], form: &[u8]| bytes.windows(form.len()).any(|window| window == form);
    let search = |name: &str| {
        let bytes = std::fs::read(home.path(name)).unwrap();
        assert!(forms(&seed[..]).all(|form| !contains(&bytes, &form)), "{name}");
        // The search does find what is there.
        contains(&bytes, b"0001@example.com")
    };
    for name in ["escrow.db", "escrow.db-wal", "escrow.db-shm", "keys/station.key", "officer.key"] {
        let mode = std::fs::metadata(home.path(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
    assert!(!format!("{opener:?} {:?} {:?}", home.officer, home.station()).contains("SECRET"));
    search("escrow.db-shm");
    assert!(search("escrow.db-wal"));
    // The last connection moves the log into the file.
    drop((escrow, opener));
    assert!(!home.path("escrow.db-wal").exists());
    assert!(search("escrow.db"));
}
