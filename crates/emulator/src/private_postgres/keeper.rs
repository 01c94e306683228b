//! Who clears away behind a server, whatever becomes of the program that started it.

use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Waits for the end of its input, which is the end of the program that holds the other side; then stops the server and
/// removes its files.
const SCRIPT: &str = r#"
read -r _
"$0" stop -s -D "$1/data" -m immediate >/dev/null 2>&1
rm -rf "$1"
"#;

/// A process that outlives us for as long as clearing away takes.
pub(super) struct Keeper(Child);

impl Keeper {
    /// `shell` is `/bin/sh` as the user whom the folder belongs to.
    pub(super) fn start(mut shell: Command, pg_ctl: &Path, folder: &Path) -> io::Result<Self> {
        use std::os::unix::process::CommandExt as _;
        shell.args(["-c", SCRIPT]).arg(pg_ctl).arg(folder).current_dir("/");
        // Ctrl-C in a terminal is for the program, whose end it then hears of.
        shell.process_group(0);
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().map(Self)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It does what it can; there is nothing more to be done if that failed.
        let _ = self.0.wait();
    }
}
