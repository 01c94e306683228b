//! Questions to the person at the keyboard.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use secrecy::SecretString;
use zeroize::Zeroizing;

/// The longest line that is read: no passphrase and no code is longer.
const MAX_LINE: u64 = 4096;

/// The longest seed file: a key URI of 4 kB with room for a BOM and blank lines.
const MAX_SEED_FILE: u64 = 16 * 1024;

/// The first line of a file, or of stdin for `-`.
pub(crate) fn passphrase_from(file: &Path) -> io::Result<SecretString> {
    let line =
        if file == Path::new("-") { line_of(io::stdin().lock())? } else { line_of(BufReader::new(File::open(file)?))? };
    if line.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "its first line is empty"));
    }
    Ok(SecretString::from(line.as_str()))
}

/// Whether others than its owner can read a file. Pipes are for whoever holds an end of them.
pub(crate) fn is_exposed(file: &Path) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o077 != 0)
}

/// Asks on the terminal, without echo.
pub(crate) fn passphrase(question: &str) -> io::Result<SecretString> {
    rpassword::prompt_password(format!("{question}: ")).map(SecretString::from)
}

/// Asks on stderr and reads one line from stdin.
pub(crate) fn line(question: &str) -> io::Result<Zeroizing<String>> {
    let mut stderr = anstream::stderr().lock();
    write!(stderr, "{question}: ")?;
    stderr.flush()?;
    line_of(io::stdin().lock())
}

/// Asks on stderr to press Enter; whether somebody did, or stdin had come to its end.
pub(crate) fn entered(question: &str) -> io::Result<bool> {
    let mut stderr = anstream::stderr().lock();
    write!(stderr, "{question}: ")?;
    stderr.flush()?;
    let mut line = Zeroizing::new(String::new());
    Ok(io::stdin().lock().take(MAX_LINE).read_line(&mut line)? > 0)
}

/// All of a small text file, or of stdin for `-`; a byte order mark is dropped.
pub(crate) fn seed_text(file: &Path) -> io::Result<Zeroizing<String>> {
    // Room for all of it at once: a buffer that grows leaves unwiped copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(MAX_SEED_FILE + 1).unwrap_or(0)));
    let source: &mut dyn Read = if file == Path::new("-") { &mut io::stdin().lock() } else { &mut File::open(file)? };
    source.take(MAX_SEED_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_SEED_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than any seed"));
    }
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not text (UTF-8)"))?;
    Ok(Zeroizing::new(text.trim_start_matches('\u{feff}').to_owned()))
}

fn line_of(source: impl BufRead) -> io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::with_capacity(usize::try_from(MAX_LINE).unwrap_or(0)));
    source.take(MAX_LINE).read_line(&mut line)?;
    let len = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(len);
    Ok(line)
}
