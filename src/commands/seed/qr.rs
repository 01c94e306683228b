//! `oathburn seed qr`

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use oathburn_formats::QrCode;
use serde_json::json;

use super::Names;
use crate::commands::Result;
use crate::commands::source::{TextEncoding, read_seed_file};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Outcome;

/// Draw a seed's QR code, for authenticator apps and for `burn --qr`
///
/// On the terminal, or into a new file of mode 0600. The code is as secret as the seed.
#[derive(Args, Debug)]
pub(crate) struct Qr {
    /// A file with the seed in Base32, hex or as otpauth URI (`-`: stdin)
    #[arg(long, value_name = "FILE")]
    seed_file: PathBuf,
    /// What the file holds, where it could be either
    #[arg(long, value_name = "ENCODING")]
    encoding: Option<TextEncoding>,
    /// A new file for the picture; its name ends in .png or .svg [default: the terminal]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// What to draw, where the file's name does not say it
    #[arg(long, value_name = "PICTURE", requires = "out")]
    picture: Option<Picture>,
    #[command(flatten)]
    names: Names,
}

/// Pictures.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Picture {
    /// Pixels
    Png,
    /// Lines, at any size
    Svg,
}

impl Qr {
    pub(super) fn run(self, context: &Context) -> Result {
        let uri = self.names.uri(read_seed_file(&self.seed_file, self.encoding)?)?.to_uri();
        let code = QrCode::new(&uri)?;
        let Some(file) = &self.out else {
            let drawn = code.to_terminal();
            return Ok(Outcome::new(json!({ "uri": *uri, "qr": drawn.lines().collect::<Vec<_>>() }), drawn.as_str()));
        };
        let picture = self.picture.or_else(|| by_name(file)).ok_or_else(|| {
            Failure::usage("the file's name ends neither in .png nor in .svg", "say --picture png or --picture svg")
        })?;
        let written = match picture {
            Picture::Png => write_new(file, &code.to_png()?),
            Picture::Svg => write_new(file, code.to_svg().as_bytes()),
        };
        written.map_err(|error| {
            let message = format!("failed to write {}: {error}", file.display());
            Failure::new(Exit::Input, "picture-file", message, "name a new file in a folder of your own")
        })?;
        context.talk.say("the picture is as secret as the seed: delete it when it was scanned");
        let name = file.display().to_string();
        Ok(Outcome::new(json!({ "file": name }), String::new()))
    }
}

fn by_name(file: &Path) -> Option<Picture> {
    match file.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "png" => Some(Picture::Png),
        "svg" => Some(Picture::Svg),
        _ => None,
    }
}

/// A new file that only its owner may read; half a picture does not stay.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}
