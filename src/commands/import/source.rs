//! Where rows come from: a file that is read twice, or what had to be unwrapped, kept in memory that is wiped.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use oathburn_escrow::{SecretString, open_message};
use oathburn_formats::{Format, FormatError, MAX_IMAGE_LEN, ReadOptions, Remarks, Row, Wrapping, read_uris, wrapping};
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::pgp::{self, Message};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::prompt;

/// What is shown to whoever finds out what a file is.
const HEAD: usize = 64 * 1024;
/// The most that is kept in memory: some millions of rows. Files are not kept there.
const MAX_KEPT: usize = 256 * 1024 * 1024;

pub(super) struct Source {
    from: From,
    name: Option<String>,
    password: Option<SecretString>,
    /// Whether the password was for what is around the list.
    spent: bool,
}

enum From {
    File(File),
    Kept(Zeroizing<Vec<u8>>),
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let message = format!("failed to read {}: {error}", path.display());
    Failure::new(Exit::Input, "import-file", message, "check the file's name and rights")
}

/// All of it, in a buffer that is wiped.
pub(super) fn keep(source: &mut dyn Read, path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut kept = Zeroizing::new(vec![0; HEAD]);
    let mut len = 0;
    loop {
        if len == kept.len() {
            if len >= limit {
                let message = format!("more than {} MiB come out of {}", limit >> 20, path.display());
                let remedy = "split the list; a plain file, which is not kept in memory, can have any size";
                return Err(Failure::new(Exit::Input, "import-too-large", message, remedy));
            }
            // A buffer that grows by itself leaves an unwiped copy behind.
            let mut larger = Zeroizing::new(vec![0; 2 * len]);
            larger[..len].copy_from_slice(&kept);
            kept = larger;
        }
        match source.read(&mut kept[len..]) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(path, &error)),
        }
    }
    kept.truncate(len);
    Ok(kept)
}

impl Source {
    /// Opens what is to be imported, and takes off what is around it.
    pub(super) fn open(
        context: &Context,
        paths: &[PathBuf],
        password_file: Option<&Path>,
        identity_file: Option<&Path>,
    ) -> Result<Self, Failure> {
        let stdin = Path::new("-");
        let takers = paths.iter().filter(|path| *path == stdin).count()
            + usize::from(password_file == Some(stdin))
            + usize::from(context.reads_passphrase_from_stdin());
        if takers > 1 {
            return Err(Failure::usage("stdin can be read only once", "give the others as files"));
        }
        let password = password_file.map(prompt::passphrase_from).transpose();
        let password = password.map_err(|error| unreadable(password_file.unwrap_or(stdin), &error))?;
        let (first, others) = paths.split_first().expect("the command line asks for a file");
        let name = (first != stdin).then(|| first.file_name().unwrap_or_default().to_string_lossy().into_owned());
        let mut source = Self { from: begin(first)?, name, password, spent: false };
        match wrapping(&source.head()?) {
            Wrapping::Picture => source.from = pictures(paths)?,
            _ if !others.is_empty() => {
                let message = "several files at once are for pictures of one export";
                return Err(Failure::usage(message, "import lists one after the other"));
            }
            Wrapping::Age => {
                let identities = identity_file.map(|path| text_of(path).map_err(|error| unreadable(path, &error)));
                let identities = identities.transpose()?;
                let password = source.ask(context, "Password of the file")?;
                let inner = {
                    let mut outer = source.reader()?;
                    let identities = identities.as_ref().map(|text| text.as_str());
                    let mut inner = open_message(&mut outer, password.as_ref(), identities)?;
                    keep(&mut inner, first, MAX_KEPT)?
                };
                (source.from, source.spent) = (From::Kept(inner), true);
                wrapping(&source.head()?).check()?;
            }
            Wrapping::Pgp => {
                let password = source.password.clone();
                let inner = pgp::open(source.message()?, password.as_ref(), context.talk.can_ask(), first, MAX_KEPT)?;
                (source.from, source.spent) = (From::Kept(inner), password.is_some());
                wrapping(&source.head()?).check()?;
            }
            wrapping => wrapping.check()?,
        }
        Ok(source)
    }

    /// The password that was given, or else what somebody answers.
    fn ask(&self, context: &Context, question: &str) -> Result<Option<SecretString>, Failure> {
        if self.password.is_some() || !context.talk.can_ask() {
            return Ok(self.password.clone());
        }
        let asked = context.ask_passphrase(question).map(Some);
        asked.map_err(|error| unreadable(Path::new("the answer"), &error))
    }

    /// The name of the file, for the audit trail.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The password of the list itself.
    pub(super) fn password(&self) -> Option<Zeroizing<Vec<u8>>> {
        let password = self.password.as_ref().filter(|_| !self.spent);
        password.map(|password| Zeroizing::new(password.expose_secret().as_bytes().to_vec()))
    }

    /// The beginning of it.
    pub(super) fn head(&mut self) -> Result<Zeroizing<Vec<u8>>, Failure> {
        match &mut self.from {
            From::Kept(bytes) => Ok(Zeroizing::new(bytes[..bytes.len().min(HEAD)].to_vec())),
            From::File(file) => {
                let mut head = Zeroizing::new(Vec::with_capacity(HEAD));
                let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.take(HEAD as u64).read_to_end(&mut head));
                read.map(|_| head).map_err(|error| unreadable(Path::new(self.name.as_deref().unwrap_or("-")), &error))
            }
        }
    }

    /// All of it, for another program.
    fn message(&mut self) -> Result<Message<'_>, Failure> {
        match &mut self.from {
            From::Kept(bytes) => Ok(Message::Bytes(bytes)),
            From::File(file) => {
                let begun = file.seek(SeekFrom::Start(0)).and_then(|_| file.try_clone());
                let begun = begun.map_err(|error| unreadable(Path::new(self.name.as_deref().unwrap_or("-")), &error));
                begun.map(Message::File)
            }
        }
    }

    fn reader(&mut self) -> Result<Box<dyn BufRead + '_>, Failure> {
        match &mut self.from {
            From::Kept(bytes) => Ok(Box::new(bytes.as_slice())),
            From::File(file) => {
                let begun = file.seek(SeekFrom::Start(0));
                begun.map_err(|error| unreadable(Path::new(self.name.as_deref().unwrap_or("-")), &error))?;
                Ok(Box::new(BufReader::new(file)))
            }
        }
    }

    /// Reads all rows from the beginning; somebody may be asked for the password that turns out to be needed.
    pub(super) fn read(
        &mut self,
        format: &dyn Format,
        options: &mut ReadOptions,
        context: &Context,
        sink: &mut dyn FnMut(Row) -> ControlFlow<()>,
    ) -> Result<Result<Remarks, FormatError>, Failure> {
        let reader = format.reader().expect("the format was chosen for its reader");
        let read = reader.read(&mut *self.reader()?, options, sink);
        if read != Err(FormatError::PasswordNeeded) || !context.talk.can_ask() {
            return Ok(read);
        }
        self.password = self.ask(context, "Password of the file")?;
        options.password = self.password();
        Ok(reader.read(&mut *self.reader()?, options, sink))
    }
}

/// Opens a file, or keeps what comes out of a pipe.
fn begin(path: &Path) -> Result<From, Failure> {
    if path == Path::new("-") {
        return keep(&mut io::stdin().lock(), path, MAX_KEPT).map(From::Kept);
    }
    let mut file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let kind = file.metadata().map_err(|error| unreadable(path, &error))?;
    if kind.is_dir() {
        return Err(unreadable(path, &io::ErrorKind::IsADirectory.into()));
    }
    // What is no regular file cannot be read twice.
    if kind.is_file() { Ok(From::File(file)) } else { keep(&mut file, path, MAX_KEPT).map(From::Kept) }
}

/// The key URIs of all pictures, one a line.
fn pictures(paths: &[PathBuf]) -> Result<From, Failure> {
    let mut texts = Vec::new();
    for path in paths {
        let mut bytes = Zeroizing::new(Vec::new());
        let limit = MAX_IMAGE_LEN as u64 + 1;
        let read = File::open(path).and_then(|file| {
            bytes.reserve_exact(usize::try_from(file.metadata()?.len().min(limit)).unwrap_or(0) + 1);
            file.take(limit).read_to_end(&mut bytes)
        });
        read.map_err(|error| unreadable(path, &error))?;
        let uris = read_uris(&bytes).map_err(|error| {
            let mut failure = Failure::from(error);
            failure.message = format!("{}: {}", path.display(), failure.message);
            failure
        })?;
        texts.push(uris);
    }
    // Room for all of it at once: a buffer that grows leaves unwiped copies behind.
    let mut all = Zeroizing::new(Vec::with_capacity(texts.iter().map(|text| text.len()).sum()));
    for text in &texts {
        all.extend_from_slice(text.as_bytes());
    }
    Ok(From::Kept(all))
}

/// A small text file.
fn text_of(path: &Path) -> io::Result<Zeroizing<String>> {
    /// Longer files hold something else than identities.
    const MAX_IDENTITIES: u64 = 64 * 1024;
    let mut text = Zeroizing::new(String::with_capacity(4096));
    File::open(path)?.take(MAX_IDENTITIES).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    #[test]
    fn pipes_end_or_are_refused() {
        let text = vec![b'x'; 3 * HEAD];
        let kept = keep(&mut text.as_slice(), Path::new("-"), 8 * HEAD).unwrap();
        assert_eq!(*kept, text);
        let refused = keep(&mut io::repeat(0), Path::new("/dev/zero"), 4 * HEAD).unwrap_err();
        assert_eq!((refused.exit, refused.code), (Exit::Input, "import-too-large"));
    }
}
