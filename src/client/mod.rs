//! The client: one call at a time for each caller, on the caller's own thread.

mod attempt;
mod call;
mod describe;
mod hosts;
mod place;
mod put;
mod refusal;
mod settings;

pub(crate) use put::{PutOptions, Records, Resend};
pub(crate) use refusal::kind_of_record;
pub(crate) use settings::Setup;

use crate::config::Config;
use crate::credentials::{Cache, Credentials, Imds, Network};
use crate::error::{Error, Result};
use crate::http::{Connector, Failure, Pool, Resolver, Tls};
use crate::log::Level;
use crate::retry::{Adaptive, Quota, Skew};
use crate::sign::{Hex, SigningKey};
use crate::sys::fork::PerProcess;
use crate::sys::random::Random;
use hosts::Gate;
use place::Place;
use settings::Settings;
use std::cell::RefCell;
use std::ffi::OsString;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};
use ureq_proto::http::HeaderValue;
use zeroize::Zeroizing;

/// A client: settings, and the state that each process has for itself.
pub(crate) struct Client {
    settings: Arc<Settings>,
    state: PerProcess<State>,
    /// What the host holds of it: its own handle and producers.
    holders: AtomicUsize,
    gate: Arc<Gate>,
}

/// What the calls of one process share.
struct State {
    pool: Pool<Scratch>,
    resolver: Arc<Resolver>,
    tls: Arc<Tls>,
    imds: Option<Arc<Imds>>,
    credentials: Cache,
    quota: Quota,
    skew: Arc<Skew>,
    adaptive: Option<Mutex<Adaptive>>,
    random: Random,
    started: Instant,
    user_agent: HeaderValue,
    place: OnceLock<Place>,
}

/// What a call finds again from the calls before it on the same lane.
#[derive(Default)]
struct Scratch {
    key: Option<(Arc<Credentials>, SigningKey)>,
    /// Holds the session token.
    canonical: Zeroizing<String>,
    signed_headers: String,
    string_to_sign: String,
    authorization: String,
    /// The hash of the body that is written.
    payload: Option<Hex>,
    /// The records of a batch that are not delivered yet.
    pending: Vec<u32>,
}

impl State {
    fn new(settings: &Settings) -> State {
        let started = settings.clock.monotonic();
        let network = Arc::new(Network {
            resolver: Arc::new(resolver(settings)),
            tls: Arc::new(Tls::new(settings.roots.clone())),
            proxies: settings.proxies.clone(),
            skew: Arc::new(Skew::new()),
            correct_skew: settings.correct_skew,
            random: Random::new(),
            user_agent: header(settings.user_agent.clone()),
            log: Arc::clone(&settings.log),
            clock: settings.clock,
        });
        let metadata = settings.metadata.as_ref().ok();
        let imds = metadata.map(|metadata| Arc::new(Imds::new(Arc::clone(&network), metadata.clone())));
        let provider = settings.credential.provider(&network, imds.as_ref());
        State {
            pool: Pool::new(settings.max_connections),
            resolver: Arc::clone(&network.resolver),
            tls: Arc::clone(&network.tls),
            imds,
            credentials: Cache::new(provider, Arc::clone(&settings.log)),
            quota: Quota::new(),
            skew: Arc::clone(&network.skew),
            adaptive: settings.adaptive.then(|| Mutex::new(Adaptive::new(0.0))),
            random: Random::new(),
            started,
            user_agent: header(settings.user_agent.clone()),
            place: Place::of(settings).map(OnceLock::from).unwrap_or_default(),
        }
    }

    fn connector<'a>(&'a self, settings: &'a Settings, place: &'a Place) -> Connector<'a> {
        Connector {
            target: &place.endpoint,
            resolver: &self.resolver,
            tls: &self.tls,
            proxies: &settings.proxies,
        }
    }
}

#[cfg(not(feature = "test-hooks"))]
fn resolver(_: &Settings) -> Resolver {
    Resolver::new()
}

#[cfg(feature = "test-hooks")]
fn resolver(settings: &Settings) -> Resolver {
    if settings.panics.as_deref() != Some("lookup") {
        return Resolver::new();
    }
    #[expect(clippy::panic, reason = "asked for by a test")]
    Resolver::with(Arc::new(|_, _| panic!("test.panic = lookup")))
}

/// A header's value; what was checked before always is one.
fn header(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

impl Client {
    /// Resolves the settings; no network I/O.
    pub(crate) fn new(setup: &Setup, environment: &dyn Fn(&str) -> Option<OsString>) -> Result<Client> {
        let gate = Arc::new(Gate::new());
        let garbled = RefCell::new(None);
        let text = |name: &str| match environment(name)?.into_string() {
            Ok(text) => Some(text),
            Err(_) => {
                garbled.borrow_mut().get_or_insert_with(|| name.to_owned());
                None
            }
        };
        let settings = Settings::resolve(setup, &gate, &text);
        // Taken for unset it would lead elsewhere without a word; and what came of that is not what is wrong.
        if let Some(name) = garbled.into_inner() {
            return Err(Error::invalid(format!("the variable {name} is not UTF-8; correct it or unset it")));
        }
        let settings = Arc::new(settings?);
        let state = PerProcess::new(State::new(&settings));
        Ok(Client { settings, state, holders: AtomicUsize::new(1), gate })
    }

    /// The host holds one thing more that refers to the client.
    pub(crate) fn hold(&self) {
        self.holders.fetch_add(1, Ordering::AcqRel);
    }

    /// The host has given one of them back. With the last of them its own functions are called no more, whatever is
    /// still under way; one that is running is waited for.
    pub(crate) fn let_go(&self) {
        if self.holders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.gate.close();
        }
    }

    /// The options that its producers begin with.
    pub(crate) fn producer_options(&self) -> &Config {
        &self.settings.producer
    }

    /// Says something to whoever listens to this client.
    pub(crate) fn log(&self, level: Level, line: std::fmt::Arguments<'_>) {
        self.settings.log.write(level, line);
    }

    fn state(&self) -> &State {
        self.state.get(|| State::new(&self.settings))
    }

    /// The limit of a call that names none, or the call's own.
    fn deadline(&self, timeout: Option<Duration>) -> Instant {
        self.settings.clock.monotonic() + timeout.unwrap_or(self.settings.operation_timeout)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        Error::new(failure.kind, failure.message)
    }
}
