//! New files for secrets: whole and for their owner alone, or not there at all.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, linkat, openat, renameat_with};
use rustix::io::Errno;

/// A file that is being written. It gets its name when it is finished; before that nobody sees it, and when it is
/// dropped, or the program dies, nothing stays. Where the file system has no files without a name, it has another
/// name in the same folder meanwhile, and is removed when it is dropped.
#[derive(Debug)]
pub(crate) struct NewFile {
    file: File,
    path: PathBuf,
    /// The name it has meanwhile.
    beside: Option<Beside>,
}

impl NewFile {
    /// A new file of mode 0600 that will be called `path`; nothing may have that name already.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        // A link that leads nowhere is something, too.
        if path.file_name().is_none() || fs::symlink_metadata(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let nameless = Path::new("/proc/self/fd").exists().then(|| {
            openat(CWD, folder(path), OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR)
        });
        match nameless {
            Some(Ok(file)) => Ok(Self { file: file.into(), path: path.into(), beside: None }),
            Some(Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT)) | None => Self::named(path),
            Some(Err(error)) => Err(error.into()),
        }
    }

    fn named(path: &Path) -> io::Result<Self> {
        let mut name = OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(format!(".{}.part", std::process::id()));
        let beside = folder(path).join(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        Ok(Self { file, path: path.into(), beside: Some(Beside(beside)) })
    }

    /// Whether others may read it all the same: some file systems know no rights.
    pub(crate) fn is_exposed(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.mode() & 0o077 != 0)
    }

    /// Makes it durable and gives it its name, if nothing has got that name meanwhile.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.file.sync_all()?;
        match &self.beside {
            None => {
                let nameless = format!("/proc/self/fd/{}", self.file.as_raw_fd());
                linkat(CWD, nameless, CWD, &self.path, AtFlags::SYMLINK_FOLLOW)?;
            }
            Some(Beside(beside)) => match renameat_with(CWD, beside, CWD, &self.path, RenameFlags::NOREPLACE) {
                // This file system cannot rename without replacing: look first, which is nearly as good.
                Err(Errno::INVAL | Errno::NOSYS) if fs::symlink_metadata(&self.path).is_err() => {
                    fs::rename(beside, &self.path)?;
                }
                Err(Errno::INVAL | Errno::NOSYS) => return Err(io::ErrorKind::AlreadyExists.into()),
                result => result?,
            },
        }
        // Some file systems cannot sync folders; the file is there all the same.
        let _ = File::open(folder(&self.path)).and_then(|folder| folder.sync_all());
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A name that is not to stay.
#[derive(Debug)]
struct Beside(PathBuf);

impl Drop for Beside {
    fn drop(&mut self) {
        // After a rename it is gone already.
        let _ = fs::remove_file(&self.0);
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<OsString> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    const MAKERS: [fn(&Path) -> io::Result<NewFile>; 2] = [NewFile::create, NewFile::named];

    #[test]
    fn a_finished_file_is_whole_and_private() {
        for make in MAKERS {
            let home = tempfile::tempdir().unwrap();
            let path = home.path().join("out.csv");
            let mut file = make(&path).unwrap();
            file.write_all(b"secret").unwrap();
            assert!(!path.exists() && !file.is_exposed().unwrap());
            file.finish().unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"secret");
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
            assert_eq!(names(home.path()), ["out.csv"]);
        }
    }

    #[test]
    fn an_unfinished_file_leaves_nothing() {
        for make in MAKERS {
            let home = tempfile::tempdir().unwrap();
            let mut file = make(&home.path().join("out.csv")).unwrap();
            file.write_all(b"secret").unwrap();
            drop(file);
            assert_eq!(names(home.path()), [""; 0]);
        }
    }

    #[test]
    fn nothing_is_overwritten_also_not_what_comes_meanwhile() {
        for make in MAKERS {
            let home = tempfile::tempdir().unwrap();
            let path = home.path().join("out.csv");
            let file = make(&path).unwrap();
            fs::write(&path, "other").unwrap();
            assert_eq!(file.finish().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read(&path).unwrap(), b"other");
            assert_eq!(names(home.path()), ["out.csv"]);
            assert_eq!(NewFile::create(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        }
        let home = tempfile::tempdir().unwrap();
        assert_eq!(NewFile::create(home.path()).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(NewFile::create(Path::new("..")).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        let missing = home.path().join("no/out.csv");
        assert_eq!(NewFile::create(&missing).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
