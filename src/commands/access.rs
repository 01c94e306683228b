//! The key that some tokens ask for, as several commands read it.

use std::path::{Path, PathBuf};

use clap::Args;
use oathburn_oath::Seed;
use oathburn_token::AccessKey;
use secrecy::ExposeSecret;

use crate::commands::source::TextEncoding;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::prompt;

/// The access key of the token on the reader.
#[derive(Args, Clone, Debug)]
pub(crate) struct Access {
    /// A file whose first line is the key that the token asks for (`-`: stdin) [default: the sealed one in the escrow,
    /// which needs an officer; or the maker's]
    #[arg(long, value_name = "FILE")]
    access_key_file: Option<PathBuf>,
    /// The key is written in hex or Base32, and is not the text itself
    #[arg(long, value_name = "ENCODING", requires = "access_key_file")]
    access_key_encoding: Option<TextEncoding>,
}

impl Access {
    /// The key, if one is given.
    pub(crate) fn read(&self) -> Result<Option<AccessKey>, Failure> {
        self.access_key_file.as_deref().map(|file| read(file, self.access_key_encoding)).transpose()
    }
}

/// Reads a key from the first line of a file, or of stdin for `-`.
pub(crate) fn read(file: &Path, encoding: Option<TextEncoding>) -> Result<AccessKey, Failure> {
    let line = prompt::passphrase_from(file).map_err(|error| {
        let message = format!("failed to read the access key from {}: {error}", file.display());
        Failure::new(Exit::Input, "access-key-file", message, "check the file's name and rights, and its first line")
    })?;
    let text = line.expose_secret();
    match encoding {
        Some(encoding) => Ok(AccessKey::from(Seed::from_text(text, encoding.into())?)),
        None => Ok(AccessKey::new(text.as_bytes().to_vec())?),
    }
}
