//! What building and testing need of the machine.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::place;

/// Something that a Debian package brings.
pub(crate) struct Need {
    pub(crate) package: &'static str,
    pub(crate) reason: &'static str,
    probe: Probe,
}

/// How to see that it is there. Looking for the thing itself works on every system, and however it came there.
enum Probe {
    Program(&'static str),
    /// A module of Debian's own Python.
    Python(&'static str),
    /// A C library with its headers, by its name for pkg-config.
    Library(&'static str),
    /// A server's programs, which Debian keeps beside each other by version.
    Postgres,
    /// libclang, which has neither a program nor a file for pkg-config.
    Clang,
}

pub(crate) const NEEDS: &[Need] = &[
    Need { package: "pkg-config", reason: "finds the C libraries", probe: Probe::Program("pkg-config") },
    Need { package: "libpcsclite-dev", reason: "PC/SC readers", probe: Probe::Library("libpcsclite") },
    Need { package: "libnfc-dev", reason: "readers without a PC/SC service", probe: Probe::Library("libnfc") },
    Need { package: "libclang-dev", reason: "reads libnfc's headers", probe: Probe::Clang },
    Need { package: "pcscd", reason: "the real PC/SC service under the tests", probe: Probe::Program("pcscd") },
    Need {
        package: "libnfc-bin",
        reason: "a foreign judge of the emulated NFC reader",
        probe: Probe::Program("nfc-list"),
    },
    Need { package: "libnfc-examples", reason: "another one, which polls", probe: Probe::Program("nfc-poll") },
    Need { package: "oathtool", reason: "a foreign judge of our codes", probe: Probe::Program("oathtool") },
    Need {
        package: "yubikey-manager",
        reason: "a foreign judge of the emulated OATH applet",
        probe: Probe::Program("ykman"),
    },
    Need { package: "pskctool", reason: "a foreign judge of our key containers", probe: Probe::Program("pskctool") },
    Need {
        package: "python3-pskc",
        reason: "another one, which opens and writes encrypted ones",
        probe: Probe::Python("pskc"),
    },
    Need { package: "curl", reason: "asks the desk's API as its page says", probe: Probe::Program("curl") },
    Need { package: "zbar-tools", reason: "a foreign reader of our QR codes", probe: Probe::Program("zbarimg") },
    Need {
        package: "librsvg2-bin",
        reason: "draws our sheets of QR codes for that reader",
        probe: Probe::Program("rsvg-convert"),
    },
    Need { package: "qrencode", reason: "a foreign maker of QR codes", probe: Probe::Program("qrencode") },
    Need { package: "gnupg", reason: "opens what makers encrypt with OpenPGP", probe: Probe::Program("gpg") },
    Need {
        package: "openssh-client",
        reason: "a foreign maker of officers' keys",
        probe: Probe::Program("ssh-keygen"),
    },
    Need { package: "faketime", reason: "machines with a wrong clock", probe: Probe::Program("faketime") },
    Need { package: "strace", reason: "kills programs at each of their writes", probe: Probe::Program("strace") },
    // It comes without a cluster of the system's: see setup.rs.
    Need { package: "postgresql", reason: "the real database server under the tests", probe: Probe::Postgres },
    Need { package: "util-linux", reason: "services of the tests' own", probe: Probe::Program("unshare") },
    Need { package: "chromium", reason: "a real browser on the desk's pages", probe: Probe::Program("chromium") },
    Need { package: "chromium-driver", reason: "the hands in it", probe: Probe::Program("chromedriver") },
    Need {
        package: "poppler-utils",
        reason: "reads what that browser has printed",
        probe: Probe::Program("pdftotext"),
    },
    Need { package: "npm", reason: "brings axe-core, the judge of those pages", probe: Probe::Program("npm") },
];

impl Need {
    pub(crate) fn is_met(&self) -> bool {
        match self.probe {
            Probe::Program(name) => place::program(name).is_some(),
            Probe::Postgres => has_postgres(Path::new("/usr/lib/postgresql")),
            Probe::Clang => has_clang(&["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(Path::new)),
            Probe::Python(name) => Command::new("/usr/bin/python3")
                .args(["-c", &format!("import {name}")])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success()),
            Probe::Library(name) => Command::new("pkg-config")
                .args(["--exists", name])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success()),
        }
    }
}

/// Whether one version has all of its programs.
fn has_postgres(versions: &Path) -> bool {
    let folders = std::fs::read_dir(versions).into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let programs = ["initdb", "pg_basebackup", "pg_ctl", "postgres", "psql"];
    folders.into_iter().any(|folder| programs.iter().all(|program| folder.join(program).is_file()))
}

/// Whether libclang lies where the crate that loads it looks first: `LIBCLANG_PATH` aside, in the folders for
/// libraries, and in those that LLVM has of its own below them.
fn has_clang(folders: &[&Path]) -> bool {
    let entries = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_library = |path: &Path| {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        name == "libclang.so" || name.starts_with("libclang.so.") || name.starts_with("libclang-")
    };
    let holds = |folder: &Path| entries(folder).any(|path| is_library(&path));
    std::env::var_os("LIBCLANG_PATH").is_some()
        || folders.iter().any(|folder| {
            holds(folder) || entries(folder).any(|below| below.is_dir() && (holds(&below) || holds(&below.join("lib"))))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(probe: Probe) -> Need {
        Need { package: "x", reason: "", probe }
    }

    #[test]
    fn probes_look_for_the_thing_itself() {
        assert!(need(Probe::Program("sh")).is_met());
        assert!(!need(Probe::Program("no-program-is-called-this")).is_met());
        assert!(!need(Probe::Library("no-library-is-called-this")).is_met());
    }

    #[test]
    fn clang_is_found_where_distributions_put_it() {
        let root = std::env::temp_dir().join(format!("oathburn-needs-{}", std::process::id()));
        for (file, found) in [
            ("a/libclang.so", true),
            ("b/llvm-14/lib/libclang.so.1", true),
            ("c/x86_64-linux-gnu/libclang-14.so.1", true),
            ("d/llvm-14/lib/libclangAST.a", false),
            ("e/libclangs.so", false),
        ] {
            let path = root.join(file);
            std::fs::create_dir_all(path.parent().expect("a file in a folder")).expect("a folder of our own");
            std::fs::write(&path, "").expect("a file in it");
            let folder = root.join(&file[..1]);
            assert!(std::env::var_os("LIBCLANG_PATH").is_some() || has_clang(&[&folder]) == found, "{file}");
        }
        std::fs::remove_dir_all(root).expect("a folder of our own");
    }
}
