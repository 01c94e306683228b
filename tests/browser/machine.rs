//! Machines at branch offices that have no readers: they speak to the desk as `oathburn station run` does, and say what a test
//! wants them to.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use oathburn_desk::client::{ClientError, Connection, LetIn, OwnStation, StationHome, Trust, WorkDesk, provision};
use oathburn_desk::remote::RemoteDesk as _;
use oathburn_desk::work::wire::{LeaseRequest, Report, ReportRequest, ReportState, ReportedToken};
use oathburn_oath::Remedy as _;
use tempfile::TempDir;
use tokio::net::{TcpSocket, TcpStream};
use zeroize::Zeroizing;

use crate::office::Office;

/// A machine that the desk has let in.
pub(crate) struct Machine {
    _folder: TempDir,
    pub(crate) desk: WorkDesk,
}

impl Machine {
    pub(crate) fn new(office: &Office, mac: &str, code: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = StationHome::new(folder.path());
        let trust = Trust::Pinned(office.fingerprint.parse().unwrap());
        let connection = Connection::new(office.url.parse().unwrap(), trust).unwrap();
        let code = LetIn::Code(Zeroizing::new(code.to_owned()));
        provision(&home, &connection, mac.parse().unwrap(), code, &mut |_| {}).unwrap();
        Self { _folder: folder, desk: WorkDesk::new(OwnStation::open(home).unwrap()) }
    }

    /// Takes lines, and says which ones.
    pub(crate) fn lease(&self, lines: usize) -> Vec<u32> {
        let answer = self.desk.lease(&LeaseRequest { lines, ..LeaseRequest::default() }).unwrap();
        answer.portions.iter().flat_map(|portion| portion.lines.iter().map(|line| line.line)).collect()
    }

    /// Tells what became of a line, with the token that it was burned to.
    pub(crate) fn tell(&self, order: &str, line: u32, (state, said): (ReportState, &str)) {
        let burned_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let token = || ReportedToken {
            family: "token2-single".into(),
            serial: said.into(),
            slot: "0".into(),
            manufacturer: Some("Token2".into()),
            model: Some("OTPC-P2-i".into()),
            drift_seconds: Some(-2),
            burned_at,
        };
        let failed = state == ReportState::Failed;
        let (token, error) = if failed { (None, Some(said.to_owned())) } else { (Some(token()), None) };
        let attempt = format!("{line}-{state:?}-{said}").chars().filter(char::is_ascii_alphanumeric).collect();
        let reports = vec![Report { order: order.to_owned(), line, attempt, state, token, error }];
        self.desk.report(&ReportRequest { reports }).unwrap();
    }
}

/// Somebody guesses at the code of a station, from one address of this machine after the other.
pub(crate) fn guess(office: &Office, mac: &str, codes: impl Iterator<Item = String>) {
    let from = Arc::new(AtomicU8::new(2));
    let way = way(office.url.trim_start_matches("https://").parse().unwrap(), Arc::clone(&from));
    let folder = tempfile::tempdir().unwrap();
    let home = StationHome::new(folder.path());
    let connect = || {
        let trust = Trust::Pinned(office.fingerprint.parse().unwrap());
        Connection::new(format!("https://{way}").parse().unwrap(), trust).unwrap()
    };
    let mut connection = connect();
    for code in codes {
        let try_it = |connection: &Connection| {
            let code = LetIn::Code(Zeroizing::new(code.clone()));
            match provision(&home, connection, mac.parse().unwrap(), code, &mut |_| {}) {
                Err(ClientError::Refused(refusal)) => refusal.code(),
                other => panic!("{other:?}"),
            }
        };
        let mut judged = try_it(&connection);
        if judged == "verification-code-throttled" {
            from.fetch_add(1, Ordering::SeqCst);
            connection = connect();
            judged = try_it(&connection);
        }
        assert_eq!(judged, "verification-code-wrong");
    }
}

/// A way to the desk that begins at another address of this machine.
fn way(desk: SocketAddr, from: Arc<AtomicU8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    // It ends with the test.
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((client, _)) = listener.accept().await {
                let from = from.load(Ordering::SeqCst);
                tokio::spawn(pass(client, desk, SocketAddr::from(([127, 0, 0, from], 0))));
            }
        });
    });
    address
}

async fn pass(mut client: TcpStream, desk: SocketAddr, from: SocketAddr) -> std::io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(from)?;
    let mut server = socket.connect(desk).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop)
}
