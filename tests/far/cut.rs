//! A way to the desk that can be cut between a request and its answer.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// Passes bytes on to a desk and back, on an address of its own.
pub(crate) struct Way {
    pub(crate) address: SocketAddr,
    /// What the desk answers does not arrive.
    deaf: Arc<AtomicBool>,
    /// How many answers did not arrive.
    lost: Arc<AtomicU64>,
}

impl Way {
    pub(crate) fn to(desk: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (deaf, lost) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (desk, cut, count) = (desk.to_owned(), Arc::clone(&deaf), Arc::clone(&lost));
        // It ends with the test.
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(&desk) else { continue };
                let (there, back) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || pump(there, server, || false));
                let (cut, count) = (Arc::clone(&cut), Arc::clone(&count));
                thread::spawn(move || {
                    pump(back, client, || {
                        let is_cut = cut.load(Ordering::SeqCst);
                        if is_cut {
                            count.fetch_add(1, Ordering::SeqCst);
                        }
                        is_cut
                    });
                });
            }
        });
        Self { address, deaf, lost }
    }

    /// From now on requests arrive, and answers do not; or both do.
    pub(crate) fn cut(&self, is_cut: bool) {
        self.deaf.store(is_cut, Ordering::SeqCst);
    }

    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::SeqCst)
    }
}

pub(crate) fn pump(mut from: TcpStream, mut to: TcpStream, is_cut: impl Fn() -> bool) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        if is_cut() || to.write_all(&buffer[..len]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
