//! Serving: connections are accepted, counted, and brought to an end by us.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use crate::changes::Changes;
use crate::patience::Patient;
use crate::{App, Desk, DeskError, Limits, ServedCertificate, router};

/// The largest head of a request, in bytes, and the most headers in it.
const MAX_HEAD: usize = 32 * 1024;
const MAX_HEADERS: usize = 64;
/// What blocks is done by so many threads at most.
const BLOCKING_THREADS: usize = 32;
/// How long to wait when the system has no sockets left.
const BREATH: Duration = Duration::from_millis(50);

/// Ends a desk that serves. Clones end the same one.
#[derive(Clone, Debug)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Stop {
    /// An end that has not come.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Accepts nothing more, lets what was begun come to its end, and returns from [`run`].
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    async fn stopped(&self) {
        // It cannot be dropped while somebody waits for it.
        let _ = self.0.subscribe().wait_for(|stopped| *stopped).await;
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

/// Where a desk listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listening {
    /// The address, with the port that the system chose where none was asked for.
    pub address: SocketAddr,
    /// Whether it speaks TLS there.
    pub tls: bool,
}

impl std::fmt::Display for Listening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.address)
    }
}

/// Serves until `stop`; `ready` is told where, once requests are taken. Without a certificate only this machine is
/// served.
pub fn run(
    desk: Desk,
    address: SocketAddr,
    certificate: Option<&ServedCertificate>,
    stop: &Stop,
    ready: impl FnOnce(Listening),
) -> Result<(), DeskError> {
    if certificate.is_none() && !address.ip().to_canonical().is_loopback() {
        return Err(DeskError::Plain { address });
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .map_err(|source| DeskError::Listen { address, source })?;
    let desk = Arc::new(desk);
    let limits = desk.settings().limits;
    // A proxy on this machine may be what speaks TLS.
    let secure = certificate.is_some() || !desk.settings().proxies.is_empty();
    let certificate = certificate.cloned();
    let app = App { certificate: certificate.clone(), ..App::new(Arc::clone(&desk), secure) };
    let changes = app.changes.clone();
    let router = router(app);
    let served = runtime.block_on(async {
        let failed = |source| DeskError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        ready(Listening { address: listener.local_addr().map_err(failed)?, tls: certificate.is_some() });
        let proxies = desk.settings().proxies.clone();
        Server { router, certificate, limits, proxies, stop: stop.clone(), changes }.serve(listener).await;
        Ok(())
    });
    // What still blocks ends before the desk does: some stores may not be closed by a thread that serves.
    runtime.shutdown_timeout(limits.end_time);
    served
}

struct Server {
    router: Router,
    certificate: Option<ServedCertificate>,
    limits: Limits,
    proxies: Vec<IpAddr>,
    stop: Stop,
    changes: Changes,
}

impl Server {
    async fn serve(self, listener: TcpListener) {
        let server = Arc::new(self);
        let all = Arc::new(Semaphore::new(server.limits.connections));
        let each = Counts::default();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = server.stop.stopped() => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "failed to accept a connection");
                    tokio::time::sleep(BREATH).await;
                    continue;
                }
            };
            let ip = peer.ip().to_canonical();
            let most = if server.proxies.contains(&ip) { usize::MAX } else { server.limits.connections_each };
            // Whoever is too many is dropped: an answer would cost what there is too little of.
            let (Ok(permit), Some(count)) = (Arc::clone(&all).try_acquire_owned(), each.enter(ip, most)) else {
                tracing::warn!(%ip, "too many connections");
                continue;
            };
            // Answers are small, and somebody waits for each.
            let _ = stream.set_nodelay(true);
            let server = Arc::clone(&server);
            tokio::spawn(async move {
                server.converse(stream, ip).await;
                drop::<(OwnedSemaphorePermit, Count)>((permit, count));
            });
        }
        drop(listener);
        server.changes.end();
        // All places are free when all connections have ended.
        let most = u32::try_from(server.limits.connections).unwrap_or(u32::MAX);
        if tokio::time::timeout(server.limits.end_time, all.acquire_many(most)).await.is_err() {
            tracing::warn!("connections were cut at the end");
        }
    }

    async fn converse(&self, stream: tokio::net::TcpStream, ip: IpAddr) {
        let Some(certificate) = &self.certificate else { return self.answer(stream, ip).await };
        let acceptor = TlsAcceptor::from(certificate.now().config);
        match tokio::time::timeout(self.limits.handshake_time, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => self.answer(stream, ip).await,
            Ok(Err(error)) => tracing::debug!(%ip, %error, "no TLS"),
            Err(_) => tracing::debug!(%ip, "no TLS in time"),
        }
    }

    async fn answer(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, ip: IpAddr) {
        let router = self.router.clone().layer(axum::Extension(Connected(ip)));
        let stream = Patient::new(stream, self.limits.write_time);
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head_time)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.stopped() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%ip, %error, "a connection broke");
        }
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug)]
struct Connected(IpAddr);

/// The address of whoever asks; where a proxy of ours passes it on, the one that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer(pub(crate) IpAddr);

impl FromRequestParts<App> for Peer {
    type Rejection = DeskError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, DeskError> {
        let Some(Connected(ip)) = parts.extensions.get::<Connected>().copied() else { return Err(DeskError::Broken) };
        Ok(Self(behind_proxies(ip, &parts.headers, &app.desk.settings().proxies)))
    }
}

/// Goes back from proxy to proxy, as far as they are ours: what is further back anybody can have written.
fn behind_proxies(connected: IpAddr, headers: &HeaderMap, proxies: &[IpAddr]) -> IpAddr {
    let lines = headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok());
    let named: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
    let mut ip = connected;
    for text in named.iter().rev() {
        if !proxies.contains(&ip) {
            break;
        }
        let Ok(before) = text.parse::<IpAddr>() else { break };
        ip = before.to_canonical();
    }
    ip
}

/// How many connections each address has.
#[derive(Clone, Default)]
struct Counts(Arc<Mutex<HashMap<IpAddr, usize>>>);

impl Counts {
    fn enter(&self, ip: IpAddr, most: usize) -> Option<Count> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(ip).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Count { counts: self.clone(), ip })
    }
}

/// One connection of an address.
struct Count {
    counts: Counts,
    ip: IpAddr,
}

impl Drop for Count {
    fn drop(&mut self) {
        let mut counts = self.counts.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.ip);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_our_own_proxies_are_believed() {
        let proxies = [ip("10.0.0.1"), ip("10.0.0.2")];
        let behind = |connected: &str, lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            behind_proxies(ip(connected), &headers, &proxies).to_string()
        };
        assert_eq!(behind("192.0.2.9", &["198.51.100.1"]), "192.0.2.9");
        assert_eq!(behind("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(behind("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(behind("10.0.0.1", &["203.0.113.5, 198.51.100.1"]), "198.51.100.1");
        assert_eq!(behind("10.0.0.1", &["203.0.113.5, 198.51.100.1", "10.0.0.2"]), "198.51.100.1");
        assert_eq!(behind("10.0.0.1", &["198.51.100.1, nonsense"]), "10.0.0.1");
        assert_eq!(behind("10.0.0.1", &["::ffff:198.51.100.1"]), "198.51.100.1");
    }

    #[test]
    fn connections_of_an_address_are_counted_and_forgotten() {
        let counts = Counts::default();
        let first = counts.enter(ip("192.0.2.1"), 2);
        let second = counts.enter(ip("192.0.2.1"), 2);
        assert!(first.is_some() && second.is_some() && counts.enter(ip("192.0.2.1"), 2).is_none());
        assert!(counts.enter(ip("192.0.2.2"), 2).is_some());
        drop((first, second));
        assert!(counts.0.lock().unwrap().is_empty());
    }
}
