//! Where the seeds go.

use std::io::{self, Write};
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::new_file::NewFile;

/// What is put together before it is written: larger pieces cost fewer calls.
const BUFFER: usize = 64 * 1024;

/// Where to write.
#[derive(Debug)]
pub(super) enum Destination {
    File(PathBuf),
    Stdout,
}

impl Destination {
    pub(super) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Stdout => "stdout".into(),
        }
    }
}

/// A file or stdout, behind a buffer that is wiped.
pub(super) struct Sink {
    buffer: Zeroizing<Vec<u8>>,
    target: Target,
    name: String,
}

enum Target {
    File(NewFile),
    Stdout(io::Stdout),
}

impl Sink {
    pub(super) fn open(destination: &Destination) -> Result<Self, Failure> {
        let name = destination.name();
        let target = match destination {
            Destination::Stdout => Target::Stdout(io::stdout()),
            Destination::File(path) => Target::File(NewFile::create(path).map_err(|error| failed(&name, &error))?),
        };
        Ok(Self { buffer: Zeroizing::new(Vec::with_capacity(BUFFER)), target, name })
    }

    /// What people call it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether others may be able to read the file.
    pub(super) fn is_exposed(&self) -> Result<bool, Failure> {
        match &self.target {
            Target::File(file) => file.is_exposed().map_err(|error| failed(&self.name, &error)),
            Target::Stdout(_) => Ok(false),
        }
    }

    /// Writes what is left; a file gets its name.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        let flushed = self.flush();
        let Self { target, name, .. } = self;
        let finished = flushed.and_then(|()| match target {
            Target::File(file) => file.finish(),
            Target::Stdout(_) => Ok(()),
        });
        finished.map_err(|error| failed(&name, &error))
    }

    fn target(&mut self) -> &mut dyn Write {
        match &mut self.target {
            Target::File(file) => file,
            Target::Stdout(stdout) => stdout,
        }
    }

    fn write_buffer(&mut self) -> io::Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        let written = self.target().write_all(&buffer);
        self.buffer = buffer;
        self.buffer.clear();
        written
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > BUFFER {
            self.write_buffer()?;
        }
        if bytes.len() > BUFFER {
            return self.target().write(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_buffer()?;
        self.target().flush()
    }
}

fn failed(name: &str, error: &io::Error) -> Failure {
    let message = format!("failed to write {name}: {error}");
    Failure::new(Exit::Input, "export-file", message, "name a new file in a folder of your own with room for it")
}
