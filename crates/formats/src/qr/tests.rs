use std::path::PathBuf;
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::*;

const URI: &str = "otpauth://totp/ACME:bob?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=ACME";

fn png(text: &str) -> Vec<u8> {
    QrCode::new(text).unwrap().to_png().unwrap().to_vec()
}

/// Pictures beside each other in one.
fn beside(texts: &[&str]) -> GrayImage {
    let parts: Vec<_> = texts.iter().map(|text| decode(&png(text)).unwrap().to_luma8()).collect();
    let (width, height) =
        (parts.iter().map(GrayImage::width).sum(), parts.iter().map(GrayImage::height).max().unwrap());
    let mut whole = GrayImage::from_pixel(width, height, Luma([255]));
    let mut left = 0;
    for part in parts {
        image::imageops::replace(&mut whole, &part, left.into(), 0);
        left += part.width();
    }
    whole
}

fn file(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    picture.into().write_to(&mut file, format).unwrap();
    file.into_inner()
}

fn refusal(file: &[u8]) -> FormatError {
    read_seed_image(file).unwrap_err()
}

#[test]
fn what_is_drawn_is_read() {
    let input = read_seed_image(&png(URI)).unwrap();
    assert_eq!((input.issuer.as_deref(), input.account.as_deref()), (Some("ACME"), Some("bob")));
    assert_eq!(input.seed.expose(), b"12345678901234567890");
    let jpeg = file(beside(&[URI]), ImageFormat::Jpeg);
    assert_eq!(read_seed_image(&jpeg).unwrap().seed, input.seed);
    // Dark mode.
    let mut inverted = beside(&[URI]);
    image::imageops::invert(&mut inverted);
    assert_eq!(read_seed_image(&file(inverted, ImageFormat::Png)).unwrap().seed, input.seed);
    // Black on nothing.
    let clear = image::GrayAlphaImage::from_fn(beside(&[URI]).width(), beside(&[URI]).height(), {
        let picture = beside(&[URI]);
        move |x, y| image::LumaA([0, 255 - picture.get_pixel(x, y).0[0]])
    });
    assert_eq!(read_seed_image(&file(clear, ImageFormat::Png)).unwrap().seed, input.seed);
}

#[test]
fn none_several_and_the_wrong_kind_are_told_apart() {
    let blank = GrayImage::from_pixel(200, 200, Luma([255]));
    assert_eq!(refusal(&file(blank, ImageFormat::Png)), FormatError::NoQrCode);
    let other = URI.replace("bob", "carol").replace("GEZD", "GEZE");
    let both = file(beside(&[URI, &other]), ImageFormat::Png);
    assert_eq!(refusal(&both), FormatError::SeveralQrCodes { count: 2 });
    // The same one twice is one, and an advertisement beside it does not disturb.
    let twice = file(beside(&[URI, URI, "https://example.com/app"]), ImageFormat::Png);
    assert_eq!(read_seed_image(&twice).unwrap().account.as_deref(), Some("bob"));
    let none = file(beside(&["https://example.com/app", "https://example.com/help"]), ImageFormat::Png);
    assert_eq!(refusal(&none), FormatError::SeveralQrCodes { count: 2 });
    for (text, expected) in [
        ("otpauth://hotp/x?secret=GEZDGNBV&counter=0", Look::HotpUri),
        ("otpauth-migration://offline?data=CgA", Look::MigrationUri),
        ("phonefactor://activate_account?code=1", Look::PhoneFactor),
        ("FIDO:/1234567890", Look::Fido),
        ("https://aka.ms/mfasetup", Look::Url),
        ("8659622000001", Look::SerialNumber),
    ] {
        assert_eq!(refusal(&png(text)), FormatError::NotASeed { look: expected }, "{text}");
    }
}

#[test]
fn damage_and_other_files_are_told_apart() {
    let mut torn = beside(&[URI]);
    for pixel in torn.enumerate_pixels_mut().filter(|(x, y, _)| (120..230).contains(x) && (120..230).contains(y)) {
        *pixel.2 = Luma([255]);
    }
    assert_eq!(refusal(&file(torn, ImageFormat::Png)), FormatError::QrDamaged);
    assert_eq!(refusal(b"GEZDGNBVGY3TQOJQ"), FormatError::NotAPicture);
    assert_eq!(refusal(b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"), FormatError::NotAPicture);
    assert_eq!(refusal(&png(URI)[..200]), FormatError::NotAPicture);
    assert_eq!(refusal(&vec![0; MAX_IMAGE_LEN + 1]), FormatError::ImageTooLarge);
    let wide = GrayImage::new(MAX_SIDE + 1, 1);
    assert_eq!(refusal(&file(wide, ImageFormat::Png)), FormatError::ImageTooLarge);
    assert!(matches!(QrCode::new(&"x".repeat(3000)), Err(FormatError::QrTooLong)));
}

/// Pictures of other people's making.
#[test]
fn samples_are_read() {
    let sample = |name: &str| {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/import/otpauth").join(name);
        read_seed_image(&std::fs::read(path).unwrap())
    };
    let one = sample("good-qr-1.png").unwrap();
    assert_eq!((one.issuer.as_deref(), one.account.as_deref()), (Some("ACME Co"), Some("alice@example.com")));
    assert_eq!(one.seed.expose(), b"12345678901234567890");
    let two = sample("good-qr-2.png").unwrap();
    assert_eq!((two.account.as_deref(), two.params().step.seconds()), (Some("bob+x@example.com"), 60));
    let migration = FormatError::NotASeed { look: Look::MigrationUri };
    assert_eq!(sample("good-migration.png").unwrap_err(), migration);
}

/// Runs a judge; `None` where it is not installed.
pub(crate) fn judge(program: &str, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    use std::io::Write;
    let mut command = Command::new(program);
    let child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = match child {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && std::env::var_os("CI").is_none() => return None,
        other => other.unwrap(),
    };
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program}: {}", output.status);
    Some(output.stdout)
}

#[test]
fn others_read_what_we_draw_and_we_read_what_others_draw() {
    if let Some(text) = judge("zbarimg", &["--quiet", "--raw", "-"], &png(URI)) {
        assert_eq!(String::from_utf8(text).unwrap().trim_end(), URI);
    }
    if let Some(picture) = judge("qrencode", &["-o", "-", "-t", "PNG"], URI.as_bytes()) {
        assert_eq!(read_seed_image(&picture).unwrap().account.as_deref(), Some("bob"));
    }
}

#[test]
fn terminal_and_drawing_show_the_same_modules() {
    let code = QrCode::new(URI).unwrap();
    let (terminal, svg) = (code.to_terminal(), code.to_svg());
    // A module of light is drawn, one of darkness left out: read it back and let ourselves judge.
    let rows: Vec<Vec<char>> = terminal.lines().map(|line| line.chars().collect()).collect();
    let (width, height) = (rows[0].len(), rows.len() * 2);
    let light = |x: usize, y: usize| match rows[y / 2][x] {
        '\u{2588}' => true,
        '\u{2580}' => y.is_multiple_of(2),
        '\u{2584}' => !y.is_multiple_of(2),
        _ => false,
    };
    let picture = GrayImage::from_fn(u32::try_from(width * 8).unwrap(), u32::try_from(height * 8).unwrap(), |x, y| {
        Luma([if light(x as usize / 8, y as usize / 8) { 255 } else { 0 }])
    });
    assert_eq!(read_seed_image(&file(picture, ImageFormat::Png)).unwrap().account.as_deref(), Some("bob"));
    assert!(svg.starts_with("<?xml") && svg.contains("<svg"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_picture_is_too_strange(bytes in proptest::collection::vec(any::<u8>(), 64 * 64), header: bool) {
        let picture = GrayImage::from_vec(64, 64, bytes).unwrap();
        let mut file = file(picture, ImageFormat::Png);
        if header {
            // Past the signature all bytes are up to chance.
            file.truncate(64);
        }
        let _ = read_seed_image(&file);
    }
}
