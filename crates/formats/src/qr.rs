//! QR codes (ISO/IEC 18004): key URIs drawn, and found in pictures.

use std::fmt::Write as _;
use std::io::Cursor;

use image::{DynamicImage, GrayImage, ImageFormat, ImageReader, Limits, Luma};
use qrcode::QrCode as Symbol;
use qrcode::render::{svg, unicode};
use zeroize::{Zeroize, Zeroizing};

use crate::{FormatError, Look, SeedInput, look, read_seed};

/// Larger files are no screenshots of QR codes: a picture of this size has room for a whole screen.
pub const MAX_IMAGE_LEN: usize = 16 * 1024 * 1024;
/// The longest side of a picture, in pixels: two screens of the finest kind beside each other.
const MAX_SIDE: u32 = 10_000;
/// What a decoder may allocate, in bytes: a whole picture with four bytes a pixel.
const MAX_ALLOC: u64 = 256 * 1024 * 1024;

/// A QR code that can be drawn. It is as secret as the text in it.
pub struct QrCode(Symbol);

impl QrCode {
    /// The code of a text, with correction for a sixth of its area (level M).
    pub fn new(text: &str) -> Result<Self, FormatError> {
        Symbol::new(text).map(Self).map_err(|_| FormatError::QrTooLong)
    }

    /// Half blocks, two modules a character, light on dark: for terminals with a dark background.
    pub fn to_terminal(&self) -> Zeroizing<String> {
        let mut renderer = self.0.render::<unicode::Dense1x2>();
        renderer.dark_color(unicode::Dense1x2::Light).light_color(unicode::Dense1x2::Dark);
        Zeroizing::new(renderer.build() + "\n")
    }

    /// A drawing that can be scaled.
    pub fn to_svg(&self) -> Zeroizing<String> {
        let mut renderer = self.0.render::<svg::Color<'_>>();
        Zeroizing::new(renderer.module_dimensions(8, 8).build())
    }

    /// The drawing as an element of a page, one unit a module, with its quiet zone.
    pub fn to_inline_svg(&self) -> Zeroizing<String> {
        const QUIET: usize = 4;
        let (width, colors) = (self.0.width(), Zeroizing::new(self.modules()));
        let side = width + 2 * QUIET;
        // Room for all of it at once: a buffer that grows leaves unwiped copies behind. A run of dark modules is
        // `M177 177h177v1h-177z` at most, and there is one every two modules at most.
        let mut svg = Zeroizing::new(String::with_capacity(200 + width * width * 12));
        let _ = write!(svg, "<svg viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">");
        let _ = write!(svg, "<path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/><path d=\"");
        for (y, row) in colors.chunks(width).enumerate() {
            let mut x = 0;
            for run in row.chunk_by(|one, other| one == other) {
                if run[0] {
                    let (left, top, len) = (x + QUIET, y + QUIET, run.len());
                    let _ = write!(svg, "M{left} {top}h{len}v1h-{len}z");
                }
                x += run.len();
            }
        }
        svg.push_str("\"/></svg>");
        svg
    }

    /// Which modules are dark, row by row.
    fn modules(&self) -> Vec<bool> {
        self.0.to_colors().into_iter().map(|color| color == qrcode::Color::Dark).collect()
    }

    /// A picture with eight pixels a module.
    pub fn to_png(&self) -> Result<Zeroizing<Vec<u8>>, FormatError> {
        const SCALE: usize = 8;
        /// The quiet zone, in modules (ISO/IEC 18004, section 5.3.8).
        const QUIET: usize = 4;
        let width = self.0.width();
        let side = u32::try_from((width + 2 * QUIET) * SCALE).map_err(|_| FormatError::QrTooLong)?;
        let colors = self.0.to_colors();
        let module = |pixel: u32| (pixel as usize / SCALE).checked_sub(QUIET).filter(|&module| module < width);
        let mut picture = GrayImage::from_fn(side, side, |x, y| {
            let dark = module(x).zip(module(y)).is_some_and(|(x, y)| colors[y * width + x] == qrcode::Color::Dark);
            Luma([if dark { 0 } else { 255 }])
        });
        // Room for all of it at once: a buffer that grows leaves unwiped copies behind.
        let mut file = Cursor::new(Vec::with_capacity(64 * 1024));
        let written = picture.write_to(&mut file, ImageFormat::Png);
        picture.zeroize();
        let file = Zeroizing::new(file.into_inner());
        written.map(|()| file).map_err(|_| FormatError::QrTooLong)
    }
}

/// The seed in the QR code of a picture (PNG or JPEG). Codes that hold no seed do not disturb one that does; two
/// different seeds are refused.
pub fn read_seed_image(file: &[u8]) -> Result<SeedInput, FormatError> {
    let texts = read_qr_codes(file)?;
    let seeds: Vec<_> = texts.iter().filter(|text| matches!(look(text), Look::TotpUri)).collect();
    match (seeds.as_slice(), texts.as_slice()) {
        ([only], _) => read_seed(only, None),
        ([], [only]) => read_seed(only, None),
        _ => Err(FormatError::SeveralQrCodes { count: texts.len() }),
    }
}

/// The key URIs in the QR codes of a picture, one a line: single tokens, and exports of authenticator apps. QR codes
/// that hold something else do not disturb those that do.
pub fn read_uris(file: &[u8]) -> Result<Zeroizing<String>, FormatError> {
    let texts = read_qr_codes(file)?;
    let is_uri = |text: &&Zeroizing<String>| {
        matches!(look(text), Look::TotpUri | Look::HotpUri | Look::OtherOtpauthUri | Look::MigrationUri)
    };
    let uris: Vec<_> = texts.iter().filter(is_uri).collect();
    if let ([], Some(other)) = (uris.as_slice(), texts.first()) {
        return Err(FormatError::NotASeed { look: look(other) });
    }
    // Room for all of it at once: a buffer that grows leaves unwiped copies behind.
    let mut lines = Zeroizing::new(String::with_capacity(uris.iter().map(|uri| uri.len() + 1).sum()));
    for uri in uris {
        lines.push_str(&uri.replace(['\r', '\n'], ""));
        lines.push('\n');
    }
    Ok(lines)
}

/// The texts of all QR codes in a picture, each once.
fn read_qr_codes(file: &[u8]) -> Result<Vec<Zeroizing<String>>, FormatError> {
    let mut picture = gray(&decode(file)?);
    let mut found = scan(&picture);
    if found.texts.is_empty() {
        // Dark mode: light modules on a dark ground.
        picture.iter_mut().for_each(|pixel| *pixel = 255 - *pixel);
        let inverted = scan(&picture);
        found = Found { damaged: found.damaged || inverted.damaged, ..inverted };
    }
    picture.zeroize();
    match (found.texts.is_empty(), found.damaged) {
        (false, _) => Ok(found.texts),
        (true, true) => Err(FormatError::QrDamaged),
        (true, false) => Err(FormatError::NoQrCode),
    }
}

fn decode(file: &[u8]) -> Result<DynamicImage, FormatError> {
    if file.len() > MAX_IMAGE_LEN {
        return Err(FormatError::ImageTooLarge);
    }
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_ALLOC);
    let mut reader = ImageReader::new(Cursor::new(file)).with_guessed_format().map_err(|_| FormatError::NotAPicture)?;
    if !matches!(reader.format(), Some(ImageFormat::Png | ImageFormat::Jpeg)) {
        return Err(FormatError::NotAPicture);
    }
    reader.limits(limits);
    reader.decode().map_err(|error| match error {
        image::ImageError::Limits(_) => FormatError::ImageTooLarge,
        _ => FormatError::NotAPicture,
    })
}

/// Shades of grey on white paper: what is transparent is white.
fn gray(picture: &DynamicImage) -> GrayImage {
    let pixels = picture.to_luma_alpha8();
    GrayImage::from_fn(pixels.width(), pixels.height(), |x, y| {
        let [luma, alpha] = pixels.get_pixel(x, y).0.map(u16::from);
        let blended = (luma * alpha + 255 * (255 - alpha)) / 255;
        Luma([u8::try_from(blended).unwrap_or(u8::MAX)])
    })
}

struct Found {
    texts: Vec<Zeroizing<String>>,
    /// Whether something looked like a QR code and could not be read.
    damaged: bool,
}

fn scan(picture: &GrayImage) -> Found {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let pixel = |x: usize, y: usize| picture.as_raw()[y * width + x];
    let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(width, height, pixel);
    let mut found = Found { texts: Vec::new(), damaged: false };
    for grid in prepared.detect_grids() {
        match grid.decode() {
            Ok((_, text)) => {
                let text = Zeroizing::new(text);
                if !found.texts.contains(&text) {
                    found.texts.push(text);
                }
            }
            Err(_) => found.damaged = true,
        }
    }
    found
}

#[cfg(test)]
pub(crate) mod tests;
