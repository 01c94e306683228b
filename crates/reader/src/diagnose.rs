//! What keeps a reader from being used: the service, the kernel, drivers, rights, settings.

mod drivers;
mod libnfc_conf;
mod ports;
mod service;
mod usb;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

#[doc(hidden)]
pub use self::libnfc_conf::fuzz as fuzz_libnfc_conf;
use crate::ReaderSelector;

/// The machine that is looked at, and for whom. Tests look at one of their own making.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// What the system's files are below: `/`.
    pub root: PathBuf,
    /// The user.
    pub uid: u32,
    /// The user's groups.
    pub groups: Vec<u32>,
}

impl Surroundings {
    /// This machine, and whoever runs this program.
    pub fn here() -> Self {
        let mut groups = rustix::process::getgroups().unwrap_or_default();
        groups.push(rustix::process::getegid());
        let groups = groups.into_iter().map(rustix::process::Gid::as_raw).collect();
        Self { root: "/".into(), uid: rustix::process::geteuid().as_raw(), groups }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// What lies in a folder, in order.
    fn list(&self, folder: &str) -> Vec<PathBuf> {
        let mut paths: Vec<_> =
            fs::read_dir(self.at(folder)).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        paths.sort();
        paths
    }

    /// The names of the files in a folder that end so, with what is in them.
    fn texts(&self, folder: &str, extension: &str) -> Vec<(String, String)> {
        let has = |path: &PathBuf| extension.is_empty() || path.extension().is_some_and(|found| found == extension);
        let files = self.list(folder).into_iter().filter(has).filter(|path| path.is_file());
        files.filter_map(|path| Some((file_name(&path), read(&path)?))).collect()
    }

    /// Whether the user may read and write a file, by its owner, group and mode. Root always may.
    fn may_use(&self, path: &Path) -> Option<bool> {
        let metadata = fs::metadata(path).ok()?;
        let needed = if metadata.uid() == self.uid {
            0o600
        } else if self.groups.contains(&metadata.gid()) {
            0o060
        } else {
            0o006
        };
        Some(self.uid == 0 || metadata.mode() & needed == needed)
    }
}

/// No file of settings is as long.
const MAX_TEXT: usize = 1 << 20;

/// A small file of text; nothing where there is none.
fn read(path: impl AsRef<Path>) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    Some(String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_TEXT)]).into_owned())
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// All is well.
    Fine,
    /// It works, and could be better or safer.
    Warning,
    /// Something does not work, or is dangerous.
    Problem,
}

impl Severity {
    /// Its name in data: `fine`, `warning` or `problem`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is, for scripts; never changes its meaning.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What was found: a fragment in lower case.
    pub message: String,
    /// The command that mends it, or what to do; `None` when all is well.
    pub remedy: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn fine(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, severity: Severity::Fine, message: message.into(), remedy: None }
    }

    /// It works, and could be better.
    pub fn warning(code: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code, severity: Severity::Warning, message: message.into(), remedy: Some(remedy.into()) }
    }

    /// It does not work.
    pub fn problem(code: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code, severity: Severity::Problem, message: message.into(), remedy: Some(remedy.into()) }
    }
}

/// Looks at everything between a reader and this program. Readers of libnfc, and the one that `selector` means, are
/// opened for a moment; nothing is changed and no token is spoken to.
pub fn diagnose(surroundings: &Surroundings, selector: Option<&ReaderSelector>) -> Vec<Finding> {
    let readers = service::readers();
    let devices = usb::devices(surroundings);
    let mut findings = service::judge(surroundings, &readers);
    let named = readers.as_deref().unwrap_or_default();
    findings.extend(drivers::dangers(surroundings, named));
    findings.extend(usb::unseen(surroundings, &devices, readers.as_deref().ok()));
    findings.extend(drivers::modules(surroundings, &devices));
    findings.extend(libnfc_conf::judge(surroundings));
    findings.extend(ports::judge(surroundings, &devices));
    findings.extend(ports::of_libnfc(selector));
    let has_reader = !named.is_empty() || findings.iter().any(|finding| finding.code == "libnfc-reader");
    if !has_reader && devices.is_empty() && !findings.iter().any(|finding| finding.severity == Severity::Problem) {
        let remedy = "plug a reader in; `lsusb` shows what the kernel sees";
        findings.push(Finding::problem("reader-none", "no reader is connected", remedy));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with these files.
    pub(super) fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Surroundings) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let surroundings = Surroundings { root: folder.path().into(), uid: 4_000_000, groups: vec![4_000_001] };
        (folder, surroundings)
    }

    pub(super) fn codes(findings: &[Finding]) -> Vec<&'static str> {
        findings.iter().filter(|finding| finding.severity != Severity::Fine).map(|finding| finding.code).collect()
    }

    #[test]
    fn rights_are_those_of_the_user() {
        use std::os::unix::fs::PermissionsExt;
        let (folder, mut surroundings) = machine(&[("dev/ttyUSB0", "")]);
        let path = folder.path().join("dev/ttyUSB0");
        let owner = fs::metadata(&path).unwrap().uid();
        let mut may = |mode, uid, groups: &[u32]| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            (surroundings.uid, surroundings.groups) = (uid, groups.to_vec());
            surroundings.may_use(&path)
        };
        let group = fs::metadata(&path).unwrap().gid();
        assert_eq!(may(0o660, 4_000_000, &[4_000_001]), Some(false));
        assert_eq!(may(0o660, 4_000_000, &[group]), Some(true));
        assert_eq!(may(0o640, 4_000_000, &[group]), Some(false));
        assert_eq!(may(0o666, 4_000_000, &[4_000_001]), Some(true));
        assert_eq!(may(0o600, owner, &[]), Some(true));
        assert_eq!(may(0o000, 0, &[]), Some(true));
        assert_eq!(surroundings.may_use(Path::new("/nowhere/at/all")), None);
    }

    #[test]
    fn a_machine_with_nothing_has_no_reader() {
        let (_folder, surroundings) = machine(&[]);
        // The service of whoever runs this test may be there or not.
        let findings = diagnose(&surroundings, None);
        assert!(findings.iter().any(|finding| finding.code.starts_with("service-") || finding.code == "reader-none"));
        for finding in findings {
            assert_eq!(finding.remedy.is_none(), finding.severity == Severity::Fine, "{finding:?}");
            assert!(finding.message.starts_with(|c: char| !c.is_uppercase()) && !finding.message.ends_with('.'));
        }
    }
}
