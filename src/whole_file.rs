//! Files that take the place of what was there when they are whole, and not before.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::exit::Exit;
use crate::failure::Failure;

/// A file that is being written beside its place. When it is dropped unfinished, nothing stays of it.
#[derive(Debug)]
pub(crate) struct WholeFile {
    file: BufWriter<File>,
    path: PathBuf,
    beside: PathBuf,
}

impl WholeFile {
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".{}.tmp", std::process::id()));
        let beside = folder.join(name);
        let file = File::create(&beside).map_err(|error| unwritten(path, &error))?;
        Ok(Self { file: BufWriter::new(file), path: path.into(), beside })
    }

    /// Makes it durable and gives it its name.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        let written = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        written.and_then(|()| fs::rename(&self.beside, &self.path)).map_err(|error| unwritten(&self.path, &error))
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        // Half a file is of no use; after a rename it is gone already.
        let _ = fs::remove_file(&self.beside);
    }
}

/// Writes a file whole, or leaves the one that was there.
pub(crate) fn write_whole(path: &Path, job: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let mut file = WholeFile::create(path)?;
    job(&mut file).map_err(|error| unwritten(path, &error))?;
    file.finish()
}

/// The failure of whoever wrote to a file that is not there now.
pub(crate) fn unwritten(path: &Path, error: &io::Error) -> Failure {
    let message = format!("failed to write {}: {error}", path.display());
    Failure::new(Exit::Input, "file-not-written", message, "check the folder's rights and room, and write it again")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_finished_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.csv");
        write_whole(&path, |file| file.write_all(b"old")).unwrap();
        let failed = write_whole(&path, |file| {
            file.write_all(b"half")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert_eq!(failed.unwrap_err().code, "file-not-written");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(write_whole(&folder.path().join("no/list.csv"), |_| Ok(())).unwrap_err().code, "file-not-written");
    }
}
