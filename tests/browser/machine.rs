//! Machines at branch offices that have no readers: they speak to the desk as `oathburn station` does.

use oathburn_desk::client::{Connection, LetIn, StationHome, Trust, provision};
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::office::Office;

/// A machine that the desk has let in.
pub(crate) struct Machine {
    _folder: TempDir,
}

impl Machine {
    pub(crate) fn new(office: &Office, mac: &str, code: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = StationHome::new(folder.path());
        let trust = Trust::Pinned(office.fingerprint.parse().unwrap());
        let connection = Connection::new(office.url.parse().unwrap(), trust).unwrap();
        let code = LetIn::Code(Zeroizing::new(code.to_owned()));
        provision(&home, &connection, mac.parse().unwrap(), code, &mut |_| {}).unwrap();
        Self { _folder: folder }
    }
}
