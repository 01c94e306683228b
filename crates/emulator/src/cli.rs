//! The arguments of `emulate`.

use std::path::PathBuf;

use clap::Parser;

/// Emulated PC/SC readers with OATH tokens on them, for tests, demo and training.
///
/// Starts a private PC/SC service and prints one line of JSON when its readers are there: the service's socket (set
/// PCSCLITE_CSOCK_NAME to it), the control socket, and the readers' names. Commands are lines on the control socket, or
/// on standard input; `help` lists them. Nothing here is reachable from outside this machine, and the system's own
/// PC/SC service is left alone.
#[derive(Parser)]
#[command(name = "emulate", version)]
#[allow(clippy::doc_markdown, reason = "clap prints this text as it stands")]
pub(crate) struct Cli {
    /// How many readers, 1 to 16. They come in pairs: with an odd number the service shows one more, always empty
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) readers: usize,

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
    #[arg(long, value_name = "HOST:PORT", requires = "card", conflicts_with_all = ["readers", "dir", "driver"])]
    pub(crate) connect: Option<String>,

    /// The card for --connect, as with `insert`
    #[arg(long, value_name = "CARD", requires = "connect")]
    pub(crate) card: Option<String>,

    /// Already in namespaces of its own: serve from this folder
    #[arg(long, hide = true, value_name = "DIR")]
    pub(crate) inside: Option<PathBuf>,

    /// With --inside: remove the folder at the end
    #[arg(long, hide = true)]
    pub(crate) remove: bool,
}
