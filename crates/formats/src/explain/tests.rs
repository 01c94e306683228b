use oathburn_oath::Digits;

use super::*;

const BASE32: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const HEX: &str = "3132333435363738393031323334353637383930";
const AT: UnixTime = UnixTime::new(1_800_000_015);

/// What a token with this seed and these parameters shows, its clock so many seconds ahead; two codes.
fn shown(seed: &Seed, params: TotpParams, ahead: i64) -> Sighting {
    let totp = Totp::new(seed, params);
    let code = |offset| totp.timed(AT.offset(ahead), offset).unwrap().code.to_string().parse().unwrap();
    Sighting::new(code(-1), Some(code(0))).unwrap()
}

/// The best explanation, which two codes leave no doubt of.
fn best(text: &str, sighting: Sighting) -> Explanation {
    let best = explain(text, sighting, AT).unwrap().explanations.into_iter().next().expect("an explanation");
    assert!(best.false_hits < 1e-5, "{best:?}");
    best
}

fn seed(bytes: impl Into<Vec<u8>>) -> Seed {
    Seed::new(bytes.into()).unwrap()
}

fn sentence(text: &str, seed: &Seed) -> String {
    best(text, shown(seed, TotpParams::default(), 0)).sentence()
}

#[test]
fn a_right_token_is_right() {
    let found = best(BASE32, shown(&seed("12345678901234567890"), TotpParams::default(), -31));
    assert_eq!((found.differences.as_slice(), found.drift_steps), (&[][..], -1));
    assert!(found.sentence().contains("are right") && found.remedy().contains("register"));
}

#[test]
fn encodings_taken_for_each_other_are_named() {
    for (text, wrong, words) in [
        (BASE32, seed(BASE32), "plain characters instead of Base32"),
        (HEX, seed(HEX), "plain characters instead of hex"),
        (BASE32, seed(HEX), "the characters of its hex instead of Base32"),
        (HEX, seed(BASE32), "the characters of its Base32 instead of hex"),
        (BASE32, from_base64(BASE32).unwrap(), "Base64 instead of Base32"),
        ("ABCDEF23ABCDEF23", Seed::from_hex("ABCDEF23ABCDEF23").unwrap(), "hex instead of Base32"),
        ("ABCDEF2345ABCDEF", Seed::from_base32("ABCDEF2345ABCDEF").unwrap(), "are right"),
        ("0xABCDEF2345", Seed::from_hex("ABCDEF2345").unwrap(), "are right"),
        ("234567ABCDEF234567ABCDEF99", Seed::from_hex("234567ABCDEF234567ABCDEF99").unwrap(), "are right"),
        ("ABCDEF2345", Seed::from_hex("ABCDEF2345").unwrap(), "are right"),
        ("MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=", seed("12345678901234567890"), "are right"),
    ] {
        let sentence = sentence(text, &wrong);
        assert!(sentence.contains(words), "{text}: {sentence}");
    }
}

#[test]
fn lengths_are_named() {
    let long = seed((1..=32).collect::<Vec<u8>>());
    let text = long.to_base32();
    assert!(sentence(&text, &seed(long.expose()[..20].to_vec())).contains("only the first 20 of the seed's 32 bytes"));
    assert!(sentence(&text, &seed(long.expose()[..31].to_vec())).contains("only the first 31 of the seed's 32 bytes"));
    let twenty = b"12345678901234567890";
    let repeated: Vec<u8> = twenty.iter().copied().cycle().take(32).collect();
    assert!(sentence(BASE32, &seed(repeated)).contains("repeated to 32 bytes"));
    let padded = [vec![0; 12], twenty.to_vec()].concat();
    assert!(sentence(BASE32, &seed(padded)).contains("zeros before it, 32 bytes in all"));
    // Zeros behind it make no difference.
    assert!(sentence(BASE32, &seed([twenty.to_vec(), vec![0; 12]].concat())).contains("are right"));
}

#[test]
fn parameters_and_clocks_are_named() {
    let right = seed("12345678901234567890");
    let params = TotpParams { algorithm: Algorithm::Sha256, ..TotpParams::default() };
    let found = best(BASE32, shown(&right, params, 0));
    assert_eq!(found.sentence(), "the token uses sha256 instead of sha1");
    let params = TotpParams { step: TimeStep::S60, ..TotpParams::default() };
    let found = best(BASE32, shown(&right, params, 0));
    assert_eq!(found.sentence(), "the token changes its code every 60 s instead of every 30 s");
    let params = TotpParams { digits: Digits::EIGHT, ..TotpParams::default() };
    let found = best(BASE32, shown(&right, params, 0));
    assert_eq!(found.sentence(), "the token shows 8 digits instead of 6");
    let found = best(BASE32, shown(&right, TotpParams::default(), -86_300));
    assert_eq!(found.sentence(), "the token has a clock that is about 23 h 58 min behind");
    assert!(found.remedy().contains("oathburn sync"));
    let found = best(BASE32, shown(&right, TotpParams::default(), 600));
    assert_eq!(found.sentence(), "the token has a clock that is about 10 min ahead");
    let both = TotpParams { algorithm: Algorithm::Sha256, step: TimeStep::S60, ..TotpParams::default() };
    let found = best(BASE32, shown(&right, both, 120));
    assert!(found.sentence().contains("sha256") && found.sentence().contains("60 s"), "{}", found.sentence());
    // What a key URI says is what is expected.
    let uri = format!("otpauth://totp/x?secret={BASE32}&algorithm=SHA256&period=60");
    assert!(best(&uri, shown(&right, both, 0)).differences.is_empty());
}

#[test]
fn nothing_is_explained_where_there_is_nothing() {
    let none = explain(BASE32, shown(&seed("another seed altogether"), TotpParams::default(), 0), AT).unwrap();
    assert_eq!(none.explanations, []);
    assert!(none.searched > 50_000, "{}", none.searched);
    let one = Sighting::new("123456".parse().unwrap(), None).unwrap();
    assert!(matches!(explain("https://example.com", one, AT), Err(FormatError::NotASeed { look: Look::Url })));
    assert!(matches!(explain("8659622000001", one, AT), Err(FormatError::NotASeed { look: Look::SerialNumber })));
    assert!(matches!(explain("", one, AT), Err(FormatError::NotASeed { look: Look::Empty })));
}

#[test]
fn one_code_alone_leaves_doubts_that_are_counted() {
    let right = seed("12345678901234567890");
    let totp = Totp::new(&right, TotpParams { algorithm: Algorithm::Sha512, ..TotpParams::default() });
    let code = totp.code_at(AT.offset(3600)).to_string().parse().unwrap();
    let explained = explain(BASE32, Sighting::new(code, None).unwrap(), AT).unwrap();
    let found =
        explained.explanations.iter().find(|one| one.params.algorithm == Algorithm::Sha512 && one.drift_steps == 120);
    let doubt = found.expect("the right one is among them").false_hits;
    assert!(doubt > 0.01 && doubt < 10.0, "{doubt}");
}
