//! One function for each reader of foreign bytes. It panics when the reader does, and when what came out is wrong.
//!
//! The fuzzer calls them with what it thinks up, and `tests/corpora.rs` with every file below `fuzz/corpus`.

mod conversation;
mod wire;

use std::fs;
use std::io::Write;
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::OnceLock;

use oathburn_desk::client::{DeskUrl, Pin};
use oathburn_desk::protocol::{
    self, ActivationRequest, Challenge, ChallengeRequest, Credentials, LoginRequest, LoginStatus, Refusal,
    StationStatus,
};
use oathburn_desk::script_requests;
use oathburn_desk::stations::{LoginCode, MacId, VerificationCode, csv};
use oathburn_desk::work::wire as work;
use oathburn_escrow::{
    BatchId, Checkpoint, EscrowError, Member, Officer, PostgresUrl, PublicLine, Roster, StationKey, StoreUrl,
};
use oathburn_formats::{
    Columns, FORMATS, FormatError, KeyUri, Kind, MAX_URI_LEN, ReadOptions, SeedInput, Unsaid,
    identify as identify_file, look, read_seed, read_seed_image, read_users, wrapping,
};
use oathburn_oath::{Encoding, FamilyId, Remedy, Seed, SerialNumber, TimeStep};
use oathburn_token::{Models, TokenError};

pub use conversation::{exchange, identify, program, program_applet, program_profile, sync_clock};

/// A reader of foreign bytes.
pub type Target = fn(&[u8]);

/// All of them, by the names of their corpora.
pub const TARGETS: &[(&str, Target)] = &[
    ("api_body", api_body),
    ("checkpoint", checkpoint),
    ("columns", columns),
    ("exchange", exchange),
    ("identify", identify),
    ("import", import),
    ("key_file", key_file),
    ("libnfc_conf", libnfc_conf),
    ("libnfc_message", libnfc_message),
    ("models", models),
    ("otpauth", otpauth),
    ("picture", picture),
    ("program", program),
    ("program_applet", program_applet),
    ("program_profile", program_profile),
    ("public_line", public_line),
    ("roster", roster),
    ("seed", seed),
    ("ssh_key", ssh_key),
    ("station_wire", station_wire),
    ("stations", stations),
    ("store_url", store_url),
    ("sync_clock", sync_clock),
    ("users", users),
    ("work_wire", work_wire),
];

/// An error that can be shown, with something to do about it.
pub(crate) fn has_remedy(error: &dyn Remedy) {
    assert!(!error.to_string().is_empty() && !error.code().is_empty());
    assert!(error.remedy().is_some_and(|remedy| !remedy.is_empty()), "{error}");
}

/// A file that describes formats of columns.
pub fn columns(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(error) = Columns::check(text) {
        has_remedy(&error);
        let FormatError::ColumnsFile { line, .. } = error else { panic!("{error}") };
        assert!((1..=text.split('\n').count()).contains(&line), "line {line}");
    }
}

/// A checkpoint: what was read is written as the same, and signed.
pub fn checkpoint(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Checkpoint::parse(text) {
        Ok(checkpoint) => assert_eq!(Checkpoint::parse(&checkpoint.to_json()).ok(), Some(checkpoint)),
        Err(error) => {
            has_remedy(&error);
            let known = matches!(error, EscrowError::CheckpointUnreadable { .. } | EscrowError::CheckpointForged);
            assert!(known, "{error}");
        }
    }
}

/// A file of products: all of it is taken, or nothing.
pub fn models(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut models = Models::builtin();
    let family = FamilyId::new("token2-single").expect("a literal of lower-case letters");
    let serial = SerialNumber::new("8659622000001").expect("a literal of digits");
    let before = models.lookup(&family, &serial).cloned();
    match models.add_file(text) {
        Ok(0) => assert_eq!(models.lookup(&family, &serial), before.as_ref()),
        Ok(_) => assert!(models.lookup(&family, &serial).is_some()),
        Err(error) => {
            has_remedy(&error);
            let TokenError::ModelsFile { line, .. } = error else { panic!("{error}") };
            assert!((1..=text.split('\n').count()).contains(&line), "line {line}");
            assert_eq!(models.lookup(&family, &serial), before.as_ref());
        }
    }
}

/// libnfc's settings, as `oathburn doctor` reads them.
pub fn libnfc_conf(data: &[u8]) {
    oathburn_reader::fuzz_libnfc_conf(data);
}

/// What program and libnfc's worker say to each other: all of a message is understood, or nothing.
pub fn libnfc_message(data: &[u8]) {
    oathburn_reader::fuzz_libnfc_message(data);
}

/// A seed as people type it; the first byte is the encoding that they name.
pub fn seed(data: &[u8]) {
    let Some((&first, rest)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let encoding = match first {
        b'b' => Some(Encoding::Base32),
        b'h' => Some(Encoding::Hex),
        _ => None,
    };
    match (read_seed(text, encoding), encoding) {
        (Ok(input), _) => returns(&input.seed),
        (Err(error), None) => {
            has_remedy(&error);
            if let FormatError::NotASeed { look: found } = error {
                assert_eq!(found, look(text));
            }
        }
        (Err(error), Some(_)) => assert!(matches!(error, FormatError::Seed(_)), "{error}"),
    }
    for seed in [Seed::from_base32(text), Seed::from_hex(text)].into_iter().flatten() {
        returns(&seed);
    }
}

/// What was read can be written, and read again.
fn returns(seed: &Seed) {
    assert!((1..=Seed::MAX_LEN).contains(&seed.len()));
    assert_eq!(Seed::from_base32(&seed.to_base32()).as_ref(), Ok(seed));
    assert_eq!(Seed::from_hex(&seed.to_hex()).as_ref(), Ok(seed));
}

/// A key URI: what was understood is written in one way, which is understood in the same way.
pub fn otpauth(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let uri = match KeyUri::parse(text) {
        Ok(uri) => uri,
        Err(error) => return has_remedy(&error),
    };
    let written = uri.to_uri();
    if written.len() > MAX_URI_LEN {
        return;
    }
    let again = KeyUri::parse(&written).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(again.seed, uri.seed);
    assert_eq!(again.algorithm.unwrap_or_default(), uri.algorithm.unwrap_or_default());
    assert_eq!(again.digits.unwrap_or_default(), uri.digits.unwrap_or_default());
    assert_eq!(again.step.unwrap_or_default(), uri.step.unwrap_or_default());
    assert_eq!(*again.to_uri(), *written);
}

/// A file of tokens. The first byte chooses the format, the second what the caller says beside it; every row is a
/// token or a problem with something to do about it, and a file that looks like a format is read by it.
pub fn import(data: &[u8]) {
    let [chosen, said, file @ ..] = data else { return };
    let readable: Vec<_> = FORMATS.iter().filter(|format| format.reader().is_some()).collect();
    let format = readable[usize::from(*chosen) % readable.len()];
    let _ = wrapping(file).check();
    if let Err(error) = identify_file(file) {
        has_remedy(&error);
    }
    let kind = match said & 3 {
        1 => Some(Kind::Totp),
        2 => Some(Kind::Hotp),
        _ => None,
    };
    let encoding = match said >> 2 & 3 {
        1 => Some(Encoding::Base32),
        2 => Some(Encoding::Hex),
        _ => None,
    };
    let step = (said & 16 != 0).then_some(TimeStep::S60);
    // A cheap refusal: deriving keys is for others to fuzz.
    let options = ReadOptions { unsaid: Unsaid { kind, encoding, step, ..Unsaid::NOTHING }, ..ReadOptions::default() };
    let mut rows = 0_usize;
    let reader = format.reader().expect("it was chosen for its reader");
    let read = reader.read(&mut &*file, &options, &mut |row| {
        rows += 1;
        match row.outcome {
            Ok(package) => returns(&package.seed),
            Err(problem) => has_remedy(&problem.error),
        }
        ControlFlow::Continue(())
    });
    if let Err(error) = read {
        has_remedy(&error);
    }
    assert!(rows <= file.len(), "more rows than bytes");
}

/// A picture that may hold a QR code.
pub fn picture(data: &[u8]) {
    match read_seed_image(data) {
        Ok(SeedInput { seed, .. }) => returns(&seed),
        Err(error) => has_remedy(&error),
    }
}

/// The file of an officer or a station: whoever reads it gets the keys in it, and an error otherwise.
pub fn key_file(data: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder for one file");
    let path = folder.path().join("key");
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(&path);
    file.and_then(|mut file| file.write_all(data)).expect("a file in a folder of our own");
    let officer = Officer::load(&path, None).map(|officer| officer.public());
    let station = StationKey::load_or_create(&path).map(|station| station.public());
    assert!(officer.is_err() || station.is_err(), "one file for both");
    for error in [officer.err(), station.err()].into_iter().flatten() {
        has_remedy(&error);
        assert!(
            matches!(
                error,
                EscrowError::NotKeyFile { .. }
                    | EscrowError::SshKeyUnsupported { .. }
                    | EscrowError::KeyFileLocked { .. }
                    | EscrowError::KeyFileIo { .. }
            ),
            "{error}"
        );
    }
    assert_eq!(fs::read(&path).expect("our own file"), data, "a key file is never written over");
}

/// What is sent to an officer by mail: what was read is written as the same, and has the same fingerprint.
pub fn public_line(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match text.parse::<PublicLine>() {
        Ok(line) => {
            assert!(text.len() <= PublicLine::MAX_LEN);
            let label = &line.member.label;
            assert!(!label.is_empty() && label.len() <= Member::MAX_LABEL && !label.chars().any(char::is_control));
            let again: PublicLine = line.to_string().parse().expect("what was read is written");
            assert_eq!(again.member.keys.fingerprint(), line.member.keys.fingerprint());
            assert_eq!(again, line);
        }
        Err(error) => {
            has_remedy(&error);
            assert!(matches!(error, EscrowError::LineRefused { .. } | EscrowError::LabelRefused { .. }), "{error}");
        }
    }
}

/// The body of a roster, as a hostile hand may write it into the table: refused, or written in one way only.
pub fn roster(data: &[u8]) {
    let Some(roster) = std::str::from_utf8(data).ok().and_then(Roster::parse) else { return };
    assert!(!roster.officers.is_empty() && roster.version > 0);
    for member in &roster.officers {
        assert!(roster.is_officer(&member.keys.writer) && roster.label(&member.keys.writer).is_some());
        assert!(!member.keys.fingerprint().is_empty());
    }
}

/// The file of an SSH key. The bytes are what is wrapped in Base64, unless they are such a file already.
pub fn ssh_key(data: &[u8]) {
    const BEGIN: &[u8] = b"-----BEGIN OPENSSH PRIVATE KEY-----";
    if data.starts_with(b"-----BEGIN ") {
        return key_file(data);
    }
    let text = data_encoding::BASE64.encode(data);
    let lines = text.as_bytes().chunks(70).flat_map(|line| [b"\n", line]);
    key_file(&[BEGIN, &lines.collect::<Vec<_>>().concat(), b"\n-----END OPENSSH PRIVATE KEY-----\n"].concat());
}

/// A list of users: all of it is read, or every problem has a place and a remedy.
pub fn users(data: &[u8]) {
    match read_users(data) {
        Ok(rows) => {
            assert!(!rows.is_empty());
            assert!(rows.is_sorted_by_key(|row| row.row));
            for row in &rows {
                assert!(!row.upn.is_empty() && !row.upn.starts_with(['=', '+', '@', '-']));
                if let Some(seed) = &row.seed {
                    returns(seed);
                }
            }
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            let rows = data.split(|&byte| byte == b'\n').count();
            for problem in problems {
                has_remedy(&problem.fault);
                assert!((1..=rows).contains(&problem.row), "row {}", problem.row);
            }
        }
    }
}

/// A list of stations, and what people type at a desk: all of it is taken, and taken again as we write it, or refused.
pub fn stations(data: &[u8]) {
    match csv::read_stations(data) {
        Ok(rows) => {
            assert!(!rows.is_empty() && rows.len() <= csv::MAX_ROWS);
            let macs: Vec<_> = rows.iter().map(|row| row.mac.to_string()).collect();
            let cells = macs.iter().zip(&rows).map(|(mac, row)| vec![mac.as_str(), row.location.as_str()]);
            let again = csv::read_stations(csv::write(&["MAC ID", "Location"], cells).as_bytes());
            let plain =
                |rows: Vec<csv::StationRow>| rows.into_iter().map(|row| (row.mac, row.location)).collect::<Vec<_>>();
            assert_eq!(again.map(plain), Ok(plain(rows)));
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in &problems {
                has_remedy(&problem.fault);
            }
        }
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(mac) = text.parse::<MacId>() {
        assert_eq!(mac.to_string().parse(), Ok(mac));
    }
    if let Ok(code) = text.parse::<LoginCode>() {
        assert_eq!(code.to_string().to_lowercase().parse(), Ok(code));
    }
    if let Some(code) = VerificationCode::parse(text) {
        assert!((6..=12).contains(&code.length().digits()));
        assert_eq!(VerificationCode::parse(&code.grouped()).as_ref(), Some(&code));
    }
}

/// What scripts send to the API: all of a body is understood, and is the same when it is written again, or what is wrong is
/// named.
pub fn api_body(data: &[u8]) {
    script_requests::read_any(data);
}

/// What stations and their desk say to each other about work, both ways: all of a message is understood, and is the same when it
/// is written again, or nothing of it. A seed that was sealed to nobody opens for nobody.
pub fn work_wire(data: &[u8]) {
    static KEY: OnceLock<(tempfile::TempDir, StationKey)> = OnceLock::new();
    fn returns<T: serde::Serialize + serde::de::DeserializeOwned>(data: &[u8]) -> Option<T> {
        let message = protocol::read::<T>(data).ok()?;
        let written = serde_json::to_vec(&message).expect("texts and numbers are JSON");
        let again: T = serde_json::from_slice(&written).expect("what was written is read");
        assert_eq!(serde_json::to_vec(&again).ok(), Some(written));
        Some(message)
    }
    returns::<work::LeaseRequest>(data);
    returns::<work::ReportRequest>(data);
    returns::<work::ReportAnswer>(data);
    returns::<work::TokenRequest>(data);
    returns::<work::TokenAnswer>(data);
    let Some(answer) = returns::<work::LeaseAnswer>(data) else { return };
    let (_, key) = KEY.get_or_init(|| {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let key = StationKey::create(&folder.path().join("station")).expect("a key is made");
        (folder, key)
    });
    for line in answer.portions.iter().flat_map(|portion| &portion.lines) {
        assert!(work::open_seed(key, BatchId::new(), line.line, &line.sealed).is_none());
    }
}

/// What stations and their desk say to each other: all of a message is understood, and is the same when it is written again, or
/// nothing of it.
pub fn station_wire(data: &[u8]) {
    fn returns<T: serde::Serialize + serde::de::DeserializeOwned>(data: &[u8]) {
        if let Ok(message) = protocol::read::<T>(data) {
            let written = serde_json::to_vec(&message).expect("texts and numbers are JSON");
            let again: T = serde_json::from_slice(&written).expect("what was written is read");
            assert_eq!(serde_json::to_vec(&again).ok(), Some(written));
        }
    }
    returns::<ChallengeRequest>(data);
    returns::<ActivationRequest>(data);
    returns::<LoginRequest>(data);
    returns::<Challenge>(data);
    returns::<LoginStatus>(data);
    returns::<StationStatus>(data);
    if let Ok(request) = protocol::read::<ChallengeRequest>(data) {
        // Keys are sound, or they are none.
        if let Some(keys) = request.keys.public() {
            assert_eq!(protocol::StationKeys::from(&keys), request.keys);
        }
    }
    if let Some(refusal) = protocol::read(data).ok().and_then(|body| Refusal::from_json(&body)) {
        has_remedy(&refusal);
        assert_eq!(Refusal::from_json(&refusal.to_json()), Some(refusal));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(credentials) = Credentials::parse(text) {
        assert_eq!(Credentials::parse(&credentials.to_string()), Some(credentials));
    }
    match text.parse::<Pin>() {
        Ok(pin) => assert_eq!(pin.to_string().parse::<Pin>().ok(), Some(pin)),
        Err(error) => has_remedy(&error),
    }
    match text.parse::<DeskUrl>() {
        Ok(url) => assert_eq!(url.as_str().parse::<DeskUrl>().ok(), Some(url)),
        Err(error) => has_remedy(&error),
    }
}

/// The address of a store. What is taken says itself again, and what is refused for a password in it does not repeat it.
pub fn store_url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match text.parse::<StoreUrl>() {
        Ok(url) => {
            assert_eq!(url.to_string().parse::<StoreUrl>().ok().as_ref(), Some(&url));
            assert!(url.path().is_some() != url.server().is_some());
            let Some(server) = url.server() else { return };
            assert!(server.files().all(|file| !file.as_os_str().is_empty()));
            let given = url.clone().with_default_passfile("/nowhere");
            assert_eq!(given.server().map(PostgresUrl::is_in_the_clear), Some(server.is_in_the_clear()));
        }
        Err(error @ EscrowError::UrlPassword) => {
            has_remedy(&error);
            let (said, debug) = (error.to_string(), format!("{error:?}"));
            assert_eq!(
                (said, debug),
                (EscrowError::UrlPassword.to_string(), format!("{:?}", EscrowError::UrlPassword))
            );
        }
        Err(error) => has_remedy(&error),
    }
}
