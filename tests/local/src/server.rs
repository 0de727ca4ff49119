//! The server: its listeners, its threads, and what a test in the same process asks of it.

use crate::chance::Ids;
use crate::clock::Clock;
use crate::connection::Connection;
use crate::fault::Faults;
use crate::quota::Quota;
use crate::service::Service;
use crate::sigv4::{Key, Verifier};
use crate::stream::{Streams, lock};
use crate::tally::Tally;
use crate::tls;
use crate::wire::Wire;
use rustls::{ServerConfig, ServerConnection};
use serde_json::Value;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How a server is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address of the HTTP listener; port 0 is any free one.
    pub listen: String,
    /// Address of the HTTPS listener, if there is to be one.
    pub tls_listen: Option<String>,
    /// Folder for `ca.pem`; a temporary one if none.
    pub tls_dir: Option<PathBuf>,
    /// Names in the certificate besides localhost, 127.0.0.1 and ::1.
    pub tls_names: Vec<String>,
    /// Folder for the records; none: they are only kept in memory.
    pub data: Option<PathBuf>,
    /// Keys that may do everything. With none, and none denied, it is `AKIDLOCAL` with `local-secret`.
    pub keys: Vec<Key>,
    /// Keys whose signatures are right but whom no policy allows anything.
    pub denied_keys: Vec<Key>,
    /// False: signatures are not looked at.
    pub auth: bool,
    /// The region in signatures and ARNs.
    pub region: String,
    /// Streams that exist from the start; `*`: every valid name does.
    pub streams: Vec<String>,
    /// Seed of the draws for faults.
    pub seed: u64,
    /// Faults from the start: a JSON array.
    pub faults: Value,
    /// The quota from the start: a JSON object.
    pub quota: Value,
    /// By how many seconds the server's clock is off.
    pub clock_offset: i64,
    /// True: records are counted but not kept in memory.
    pub forget: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:0".into(),
            tls_listen: None,
            tls_dir: None,
            tls_names: Vec::new(),
            data: None,
            keys: Vec::new(),
            denied_keys: Vec::new(),
            auth: true,
            region: "us-east-1".into(),
            streams: Vec::new(),
            seed: 0,
            faults: Value::Array(Vec::new()),
            quota: Value::Object(Default::default()),
            clock_offset: 0,
            forget: false,
        }
    }
}

/// What the threads share.
pub(crate) struct Shared {
    pub(crate) service: Service,
    pub(crate) started: Instant,
    pub(crate) numbers: AtomicU64,
    stopping: AtomicBool,
    sockets: Mutex<HashMap<u64, Weak<TcpStream>>>,
    accepted: AtomicU64,
}

impl Shared {
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// A running server; dropping it stops it.
pub struct Server {
    shared: Arc<Shared>,
    listeners: Vec<(SocketAddr, JoinHandle<()>)>,
    endpoint: String,
    tls_endpoint: Option<String>,
    ca_path: Option<PathBuf>,
    own_folder: Option<PathBuf>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Server").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

fn bind(address: &str) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

/// The address under which this machine itself reaches a listener.
fn reachable(bound: SocketAddr) -> SocketAddr {
    let address = match bound.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        other => other,
    };
    SocketAddr::new(address, bound.port())
}

fn create_folder(folder: &Path) -> io::Result<()> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("cannot make {}: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(named)
}

impl Server {
    /// Starts a server; it serves when this returns.
    pub fn start(options: Options) -> io::Result<Self> {
        let wrong = |text: String| io::Error::new(io::ErrorKind::InvalidInput, text);
        if let Some(data) = &options.data {
            create_folder(data)?;
        }
        let mut keys = options.keys;
        if keys.is_empty() && options.denied_keys.is_empty() {
            keys.push(Key::new("AKIDLOCAL", "local-secret"));
        }
        let mut faults = Faults::new(options.seed);
        faults.replace(&options.faults).map_err(wrong)?;
        let streams = Streams::new(&options.streams, options.data, !options.forget, &options.region)
            .map_err(|refusal| wrong(refusal.message))?;
        let quota = Quota::parse(&options.quota)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let clock = Clock::default();
        clock.set_offset(options.clock_offset);
        let service = Service {
            clock,
            ids: Ids::new(),
            faults: Mutex::new(faults),
            quota: Mutex::new(quota),
            streams,
            tally: Mutex::new(Tally::default()),
            verifier: options.auth.then(|| Verifier::new(&keys, &options.denied_keys, &options.region)),
        };
        let shared = Arc::new(Shared {
            service,
            started: Instant::now(),
            numbers: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            sockets: Mutex::default(),
            accepted: AtomicU64::new(0),
        });
        let (listener, bound) = bind(&options.listen)?;
        let mut server = Self {
            shared,
            listeners: Vec::new(),
            endpoint: format!("http://{}", reachable(bound)),
            tls_endpoint: None,
            ca_path: None,
            own_folder: None,
        };
        server.listen(listener, bound, None)?;
        if let Some(address) = &options.tls_listen {
            server.listen_tls(address, options.tls_dir, &options.tls_names)?;
        }
        Ok(server)
    }

    fn listen_tls(&mut self, address: &str, folder: Option<PathBuf>, names: &[String]) -> io::Result<()> {
        let identity = tls::make(names)?;
        let folder = folder.unwrap_or_else(|| {
            let name = format!("firehose-local-{}-{}", std::process::id(), self.shared.service.ids.uuid());
            self.own_folder.insert(std::env::temp_dir().join(name)).clone()
        });
        create_folder(&folder)?;
        let path = std::path::absolute(folder)?.join("ca.pem");
        std::fs::write(&path, identity.ca_pem)?;
        self.ca_path = Some(path);
        let (listener, bound) = bind(address)?;
        self.tls_endpoint = Some(format!("https://localhost:{}", bound.port()));
        self.listen(listener, bound, Some(identity.config))
    }

    fn listen(
        &mut self,
        from: TcpListener,
        bound: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
    ) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let accept = move || {
            for socket in from.incoming() {
                if shared.is_stopping() {
                    return;
                }
                match socket {
                    Ok(socket) => begin(&shared, socket, tls.as_ref()),
                    // Out of descriptors: the connections that end give some back.
                    Err(_) => thread::sleep(Duration::from_millis(5)),
                }
            }
        };
        let thread = thread::Builder::new().name("firehose-accept".into()).spawn(accept)?;
        self.listeners.push((reachable(bound), thread));
        Ok(())
    }

    /// `http://127.0.0.1:PORT`
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// `https://localhost:PORT`, if there is a TLS listener.
    pub fn tls_endpoint(&self) -> Option<&str> {
        self.tls_endpoint.as_deref()
    }

    /// The certificate to trust, if there is a TLS listener.
    pub fn ca_path(&self) -> Option<&Path> {
        self.ca_path.as_deref()
    }

    /// What `/_local/counters` shows.
    pub fn counters(&self) -> Value {
        lock(&self.shared.service.tally).counters()
    }

    /// What `/_local/requests` shows: the requests, oldest first.
    pub fn requests(&self) -> Vec<Value> {
        lock(&self.shared.service.tally).requests()
    }

    /// The records that a stream took, in order of arrival; none if there is no such stream.
    pub fn records(&self, stream: &str) -> Vec<Vec<u8>> {
        self.shared.service.streams.records(stream).unwrap_or_default()
    }

    /// Replaces all faults with those of a JSON array.
    ///
    /// # Panics
    /// When they are not faults; the message says what is wrong.
    pub fn set_faults(&self, faults: Value) {
        let replaced = lock(&self.shared.service.faults).replace(&faults);
        if let Err(error) = replaced {
            panic!("{error}");
        }
    }

    /// Forgets records, requests, counters and faults; the streams stay.
    pub fn reset(&self) {
        self.shared.service.reset();
    }

    /// Replaces the quota.
    ///
    /// # Panics
    ///
    /// If it is not one.
    pub fn set_quota(&self, quota: Value) {
        match Quota::parse(&quota) {
            Ok(quota) => *crate::stream::lock(&self.shared.service.quota) = quota,
            Err(error) => panic!("{error}"),
        }
    }

    /// Sets by how many seconds the server's clock is off.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.shared.service.clock.set_offset(seconds);
    }

    /// Makes a stream, if it is not there.
    ///
    /// # Panics
    /// When the name is none that a stream can have.
    pub fn create_stream(&self, name: &str) {
        if let Err(refusal) = self.shared.service.streams.ensure(name) {
            panic!("{}", refusal.message);
        }
    }
}

fn begin(shared: &Arc<Shared>, socket: TcpStream, tls: Option<&Arc<ServerConfig>>) {
    let _ = socket.set_nodelay(true);
    let session = match tls.map(|config| ServerConnection::new(Arc::clone(config))).transpose() {
        Ok(session) => session,
        Err(_) => return,
    };
    let socket = Arc::new(socket);
    let id = shared.accepted.fetch_add(1, Ordering::Relaxed);
    lock(&shared.sockets).insert(id, Arc::downgrade(&socket));
    let serving = Arc::clone(shared);
    let serve = move || {
        Connection::new(&serving).run(Wire::new(socket, session));
        lock(&serving.sockets).remove(&id);
    };
    let spawned =
        thread::Builder::new().name("firehose-connection".into()).stack_size(512 * 1024).spawn(serve);
    if spawned.is_err() {
        lock(&shared.sockets).remove(&id);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        for (address, thread) in self.listeners.drain(..) {
            // A connection wakes the thread out of its wait, and it then gives the port back.
            if TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok() {
                let _ = thread.join();
            }
        }
        for socket in lock(&self.shared.sockets).values().filter_map(Weak::upgrade) {
            let _ = socket.shutdown(Shutdown::Both);
        }
        let end = Instant::now() + Duration::from_secs(1);
        while !lock(&self.shared.sockets).is_empty() && Instant::now() < end {
            thread::sleep(Duration::from_millis(1));
        }
        if let Some(folder) = &self.own_folder {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}
