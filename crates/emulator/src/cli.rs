//! The arguments of `emulate`.

use std::path::PathBuf;

use clap::Parser;

/// Emulated readers with OATH tokens on them, for tests, demo and training.
///
/// Starts a private PC/SC service, or NFC readers for libnfc, or both, and prints one line of JSON when they are there:
/// the service's socket (set PCSCLITE_CSOCK_NAME to it), the control socket, the readers' names, and the connection
/// strings of the NFC readers. Commands are lines on the control socket, or
/// on standard input; `help` lists them. Nothing here is reachable from outside this machine, and the system's own
/// PC/SC service is left alone.
#[derive(Parser)]
#[command(name = "emulate", version)]
#[allow(clippy::doc_markdown, reason = "clap prints this text as it stands")]
pub(crate) struct Cli {
    /// How many PC/SC readers, 1 to 16 [default: 1, or none with --nfc]. They come in pairs: with an odd number the
    /// service shows one more, always empty
    #[arg(long, value_name = "N")]
    pub(crate) readers: Option<usize>,

    /// How many NFC readers, up to 16: chips PN532 on pseudo-terminals. Without PC/SC readers nothing else is needed
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) nfc: usize,

    /// Where sockets, log and configuration go [default: a temporary folder, removed at the end]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,

    /// The vpcd driver [default: searched below target/vpcd here and above]
    #[arg(long, value_name = "PATH", env = "OATHBURN_VPCD_DRIVER")]
    pub(crate) driver: Option<PathBuf>,

    /// Takes commands from standard input too, although it is no terminal
    #[arg(long)]
    pub(crate) stdin: bool,

    /// Ends at the end of standard input
    #[arg(long)]
    pub(crate) until_eof: bool,

    /// Starts no service: puts the card of --card on a vpcd reader that listens elsewhere
    #[arg(long, value_name = "HOST:PORT", requires = "card", conflicts_with_all = ["readers", "nfc", "dir", "driver"])]
    pub(crate) connect: Option<String>,

    /// The card for --connect, as with `insert`
    #[arg(long, value_name = "CARD", requires = "connect")]
    pub(crate) card: Option<String>,

    /// Already in namespaces of its own, if it needs them: serve from this folder
    #[arg(long, hide = true, value_name = "DIR")]
    pub(crate) inside: Option<PathBuf>,

    /// With --inside: remove the folder at the end
    #[arg(long, hide = true)]
    pub(crate) remove: bool,
}

impl Cli {
    /// The number of PC/SC readers that was asked for.
    pub(crate) fn slots(&self) -> usize {
        self.readers.unwrap_or_else(|| usize::from(self.nfc == 0))
    }
}
