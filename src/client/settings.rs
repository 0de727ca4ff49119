//! The settings in force, checked and typed, each with where it came from.

use super::hosts::{self, Gate, Gated};
use crate::clock::Clock;
use crate::config::endpoint::{self, Endpoint, Service};
use crate::config::options::{OPTIONS, Shape, flag};
use crate::config::{Config, Key, Setting, Sources};
use crate::credentials::{Choice, Fixed, Metadata, MetadataSetting, Provider, choose};
use crate::error::{Error, Result};
use crate::http::{Proxies, Proxy, Roots};
use crate::log::{Level, Listener, Log, Sink};
use std::sync::Arc;
use std::time::Duration;

/// What the caller set up, before it is resolved.
#[derive(Default)]
pub(crate) struct Setup {
    /// The options.
    pub(crate) config: Config,
    /// The host's own source of keys.
    pub(crate) provider: Option<Arc<dyn Provider>>,
    /// The host's own log and the least severe level it wants.
    pub(crate) log: Option<(Option<Level>, Arc<Listener>)>,
}

/// Everything a client is made with. Immutable, and the same in a forked child.
pub(crate) struct Settings {
    /// Option, value and source, in the order of the table; secrets are not in it.
    pub(crate) shown: Vec<(&'static str, Setting)>,
    /// Where requests go; `None` where neither region nor endpoint is known.
    pub(crate) endpoint: Option<Endpoint>,
    /// The region that is signed for.
    pub(crate) region: Option<Setting>,
    /// FIPS and dual-stack endpoints.
    pub(crate) variants: (bool, bool),
    /// Whose keys.
    pub(crate) credential: Choice,
    /// The instance metadata service.
    pub(crate) metadata: MetadataSetting,
    /// Whom to trust.
    pub(crate) roots: Roots,
    /// Ways through proxies.
    pub(crate) proxies: Proxies,
    /// For a connection.
    pub(crate) connect_timeout: Duration,
    /// For a wait.
    pub(crate) read_timeout: Duration,
    /// For a call.
    pub(crate) operation_timeout: Duration,
    /// Requests of a call.
    pub(crate) max_attempts: u32,
    /// Slow down when throttled.
    pub(crate) adaptive: bool,
    /// Calls at once.
    pub(crate) max_connections: usize,
    /// Learn from the service's clock.
    pub(crate) correct_skew: bool,
    /// The `User-Agent`.
    pub(crate) user_agent: String,
    /// Who hears of it.
    pub(crate) log: Arc<Log>,
    /// The wall clock.
    pub(crate) clock: Clock,
    /// What the caller set, of which producers take theirs.
    pub(crate) producer: Config,
    /// Where a test wants a panic.
    #[cfg(feature = "test-hooks")]
    pub(crate) panics: Option<String>,
    /// What was understood of the shared files, where a test wants to know.
    #[cfg(feature = "test-hooks")]
    pub(crate) files: Option<serde_json::Value>,
}

/// Reads settings one by one and notes each for `describe`.
struct Reader<'a> {
    sources: &'a Sources<'a>,
    shown: Vec<(&'static str, Setting)>,
}

impl Reader<'_> {
    fn get(&mut self, key: Key) -> Result<Option<Setting>> {
        let setting = self.sources.setting(key)?;
        let option = OPTIONS.get(key as usize);
        if let (Some(setting), Some(option)) = (&setting, option) {
            let value = match option.shape {
                Shape::Url | Shape::Endpoint => without_userinfo(&setting.value),
                _ if key == Key::CaPem => format!("{} bytes", setting.value.len()),
                _ => setting.value.clone(),
            };
            self.shown.push((option.name, Setting { value, source: setting.source.clone() }));
        }
        Ok(setting)
    }

    fn flag(&mut self, key: Key) -> Result<bool> {
        Ok(self.get(key)?.and_then(|setting| flag(&setting.value)).unwrap_or(false))
    }

    fn number(&mut self, key: Key) -> Result<i64> {
        Ok(self.get(key)?.and_then(|setting| setting.value.parse().ok()).unwrap_or(0))
    }

    fn millis(&mut self, key: Key) -> Result<Duration> {
        Ok(Duration::from_millis(u64::try_from(self.number(key)?).unwrap_or(0)))
    }

    fn word(&mut self, key: Key) -> Result<String> {
        Ok(self.get(key)?.map(|setting| setting.value.to_ascii_lowercase()).unwrap_or_default())
    }
}

/// A URL without the part that may hold a password.
fn without_userinfo(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let bare = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if scheme.is_empty() { format!("{bare}{tail}") } else { format!("{scheme}://{bare}{tail}") }
}

impl Settings {
    /// Resolves a set-up. Reads the environment and the shared files, and nothing else.
    pub(crate) fn resolve(
        setup: &Setup,
        gate: &Arc<Gate>,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Settings> {
        let sources = Sources::open(&setup.config, environment)?;
        let mut read = Reader { sources: &sources, shown: Vec::new() };
        let log = log(setup, gate, &mut read)?;
        let (fips, dualstack) = (read.flag(Key::UseFips)?, read.flag(Key::UseDualstack)?);
        let region = read.get(Key::Region)?;
        let custom = read.get(Key::Endpoint)?;
        let (endpoint, region) = place(region, custom, fips, dualstack)?;
        read.shown.extend(sources.places());
        let metadata = metadata(&sources);
        let variants = (fips, dualstack);
        let credential = credential(setup, gate, &mut read, &log, &metadata, variants)?;
        let roots = match (read.get(Key::CaPem)?, read.get(Key::CaBundle)?) {
            (Some(pem), Some(bundle)) if bundle.source == "option" && pem.source == "option" => {
                return Err(Error::invalid("both ca_bundle and ca_pem are set; set one of them"));
            }
            (Some(pem), _) => Roots::Pem(pem.value),
            (None, Some(bundle)) => Roots::Bundle(bundle.value.into()),
            (None, None) => Roots::System(sources.variable("SSL_CERT_FILE").map(Into::into)),
        };
        let plain = endpoint.as_ref().is_some_and(|endpoint| !endpoint.tls) || credential.is_plain();
        let proxies = proxies(&mut read, plain)?;
        let user_agent = user_agent(read.get(Key::AppId)?)?;
        let settings = Settings {
            endpoint,
            region,
            variants,
            credential,
            metadata,
            roots,
            proxies,
            connect_timeout: read.millis(Key::ConnectTimeoutMs)?,
            read_timeout: read.millis(Key::ReadTimeoutMs)?,
            operation_timeout: read.millis(Key::OperationTimeoutMs)?,
            max_attempts: u32::try_from(read.number(Key::MaxAttempts)?).unwrap_or(1),
            adaptive: read.word(Key::RetryMode)? == "adaptive",
            max_connections: usize::try_from(read.number(Key::MaxConnections)?).unwrap_or(1),
            correct_skew: !read.flag(Key::DisableClockSkewCorrection)?,
            user_agent,
            log: Arc::new(log),
            #[cfg(not(feature = "test-hooks"))]
            clock: Clock::default(),
            #[cfg(feature = "test-hooks")]
            clock: Clock { offset_ms: read.number(Key::TestClockOffsetMs)? },
            producer: setup.config.of_producers(),
            #[cfg(feature = "test-hooks")]
            panics: read.get(Key::TestPanic)?.map(|setting| setting.value),
            #[cfg(feature = "test-hooks")]
            files: read.flag(Key::TestFiles)?.then(|| sources.profiles().as_json()),
            shown: read.shown,
        };
        Ok(settings)
    }
}

fn log(setup: &Setup, gate: &Arc<Gate>, read: &mut Reader<'_>) -> Result<Log> {
    let fd = read.get(Key::LogFd)?.and_then(|setting| setting.value.parse().ok());
    let level = match read.word(Key::LogLevel)?.as_str() {
        "error" => Some(Level::Error),
        "warn" => Some(Level::Warn),
        "info" => Some(Level::Info),
        "debug" => Some(Level::Debug),
        _ => None,
    };
    let (level, sink) = match (&setup.log, fd) {
        (Some((level, listener)), _) => (*level, Sink::Host(hosts::listener(gate, listener))),
        (None, Some(fd)) => (level, Sink::Descriptor(fd)),
        (None, None) => (None, Sink::None),
    };
    Ok(Log {
        level,
        sink,
        #[cfg(feature = "test-hooks")]
        panics: read.get(Key::TestPanic)?.is_some_and(|setting| setting.value == "log"),
    })
}

/// The endpoint and the region that is signed for.
fn place(
    region: Option<Setting>,
    custom: Option<Setting>,
    fips: bool,
    dualstack: bool,
) -> Result<(Option<Endpoint>, Option<Setting>)> {
    let Some(custom) = custom else {
        let endpoint = region
            .as_ref()
            .map(|region| endpoint::resolve(Service::Firehose, &region.value, fips, dualstack));
        return Ok((endpoint.transpose()?, region));
    };
    let endpoint = endpoint::custom(&custom.value, fips, dualstack)?;
    let region = region.or_else(|| {
        let named = endpoint::region_of_host(&endpoint.host);
        let source = if named.is_some() { "endpoint" } else { "default for an endpoint without one" };
        Some(Setting { value: named.unwrap_or("us-east-1").into(), source: source.into() })
    });
    Ok((Some(endpoint), region))
}

/// The keys or the source of them that the host itself gives.
fn given(setup: &Setup, gate: &Arc<Gate>, sources: &Sources<'_>) -> Result<Option<Arc<dyn Provider>>> {
    let [id, secret, token] =
        [Key::AccessKeyId, Key::SecretAccessKey, Key::SessionToken].map(|key| sources.option(key));
    match (&setup.provider, id, secret) {
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
            Err(Error::invalid("both access_key_id and a credentials callback are set; set one of them"))
        }
        (Some(provider), None, None) => {
            Ok(Some(Arc::new(Gated { gate: Arc::clone(gate), inner: Arc::clone(provider) })))
        }
        (None, Some(id), Some(secret)) => {
            Ok(Some(Arc::new(Fixed::new("the options".into(), id, secret, token))))
        }
        (None, Some(_), None) => Err(Error::invalid("access_key_id is set and secret_access_key is not")),
        (None, None, Some(_)) => Err(Error::invalid("secret_access_key is set and access_key_id is not")),
        (None, None, None) => Ok(None),
    }
}

/// The first source of the chain that has keys.
fn credential(
    setup: &Setup,
    gate: &Arc<Gate>,
    read: &mut Reader<'_>,
    log: &Log,
    metadata: &MetadataSetting,
    variants: (bool, bool),
) -> Result<Choice> {
    let given = given(setup, gate, read.sources)?;
    let choice = choose(read.sources, given, metadata, variants)?;
    // What is wrong with files that are not needed is worth a word, not an error.
    if let Some(flaw) = &read.sources.flaw {
        log.write(Level::Warn, format_args!("the shared files are passed over: {flaw}"));
    }
    Ok(choice)
}

/// Where the instance metadata service is.
fn metadata(sources: &Sources<'_>) -> MetadataSetting {
    let profile = |key: &str| {
        let value = sources.profile()?.get(key)?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    };
    Metadata::find(&|name| sources.variable(name), &profile)
}

/// `plain`: the endpoint is reached without TLS, so that the proxy for plain connections matters; else it may be of a
/// kind that this library does not speak.
fn proxies(read: &mut Reader<'_>, plain: bool) -> Result<Proxies> {
    let except = read.get(Key::NoProxy)?.map(|setting| setting.value).unwrap_or_default();
    if let Some(setting) = read.get(Key::Proxy)? {
        let proxy = Proxy::parse(&setting.value, "the option proxy")?;
        return Ok(Proxies { http: Some(proxy.clone()), https: Some(proxy), except });
    }
    let sources = read.sources;
    let mut find = |names: &[&str]| {
        let found = names.iter().find_map(|name| Some((*name, sources.variable(name)?)));
        let Some((name, value)) = found else { return Ok(None) };
        let shown = Setting { value: without_userinfo(&value), source: name.into() };
        read.shown.push(("proxy", shown));
        Proxy::parse(&value, &format!("the variable {name}")).map(Some)
    };
    // In a CGI program HTTP_PROXY is a header that a client chose.
    let cgi = sources.variable("REQUEST_METHOD").is_some();
    let http: &[&str] = if cgi { &["http_proxy"] } else { &["http_proxy", "HTTP_PROXY"] };
    let http = if plain { find(http)? } else { None };
    Ok(Proxies { http, https: find(&["HTTPS_PROXY", "https_proxy"])?, except })
}

fn user_agent(app: Option<Setting>) -> Result<String> {
    let mut text =
        format!("libfirehose/{} ua/2.1 os/{} lang/rust", env!("CARGO_PKG_VERSION"), std::env::consts::OS);
    if let Some(app) = app {
        let good = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if app.value.len() > 50 || !app.value.bytes().all(good) {
            return Err(Error::invalid(format!(
                "app_id (from {}) is not valid: at most 50 letters, digits and !#$%&'*+-.^_`|~",
                app.source
            )));
        }
        text.push_str(" app/");
        text.push_str(&app.value);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::{Credentials, Moment, Network};
    use crate::error::Kind;
    use crate::http::{Resolver, Tls};
    use crate::retry::Skew;
    use crate::sys::random::Random;
    use std::collections::HashMap;
    use std::time::Instant;
    use ureq_proto::http::HeaderValue;

    fn resolve(options: &[(&str, &str)], environment: &[(&str, &str)]) -> Result<Settings> {
        let mut setup = Setup::default();
        for (name, value) in options {
            setup.config.set(name, value)?;
        }
        let environment: HashMap<String, String> =
            environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Settings::resolve(&setup, &Arc::new(Gate::new()), &|name| environment.get(name).cloned())
    }

    fn provider(settings: &Settings) -> Arc<dyn Provider> {
        let network = Arc::new(Network {
            resolver: Arc::new(Resolver::new()),
            tls: Arc::new(Tls::new(settings.roots.clone())),
            proxies: settings.proxies.clone(),
            skew: Arc::new(Skew::new()),
            correct_skew: true,
            random: Random::new(),
            user_agent: HeaderValue::from_static("test"),
            log: Arc::default(),
            clock: Clock::default(),
        });
        settings.credential.provider(&network, None)
    }

    fn keys(settings: &Settings) -> Result<Credentials> {
        let deadline = Instant::now() + Duration::from_secs(5);
        provider(settings).fetch(&Moment { now: &|| 0, random: 0.0, deadline, region: "" })
    }

    fn source(settings: &Settings) -> String {
        provider(settings).name()
    }

    fn shown(settings: &Settings, name: &str) -> (String, String) {
        let (_, setting) = settings.shown.iter().find(|(other, _)| *other == name).unwrap();
        (setting.value.clone(), setting.source.clone())
    }

    fn pair(value: &str, source: &str) -> (String, String) {
        (value.into(), source.into())
    }

    fn files(name: &str, config: &str) -> (std::path::PathBuf, String) {
        let dir = std::env::temp_dir().join(format!("firehose-settings-{}-{name}", std::process::id()));
        std::fs::create_dir_all(dir.join(".aws")).unwrap();
        std::fs::write(dir.join(".aws/config"), config).unwrap();
        let home = dir.display().to_string();
        (dir, home)
    }

    #[test]
    fn option_before_environment_before_profile_before_default() {
        let (dir, home) = files("order", "[default]\nregion = eu-west-3\nmax_attempts = 7\n");
        let environment = [("HOME", home.as_str())];
        let settings = resolve(&[], &environment).unwrap();
        assert_eq!(shown(&settings, "region").0, "eu-west-3");
        assert!(shown(&settings, "region").1.starts_with("profile default in "));
        assert_eq!(settings.max_attempts, 7);
        let environment =
            [("HOME", home.as_str()), ("AWS_DEFAULT_REGION", "eu-west-2"), ("AWS_MAX_ATTEMPTS", "5")];
        let settings = resolve(&[], &environment).unwrap();
        assert_eq!(shown(&settings, "region"), pair("eu-west-2", "AWS_DEFAULT_REGION"));
        assert_eq!(settings.max_attempts, 5);
        let settings = resolve(&[("region", "eu-west-1"), ("max_attempts", "1")], &environment).unwrap();
        assert_eq!(shown(&settings, "region"), pair("eu-west-1", "option"));
        assert_eq!(settings.endpoint.unwrap().host, "firehose.eu-west-1.amazonaws.com");
        assert_eq!(resolve(&[], &[]).unwrap().max_attempts, 3);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn keys_and_endpoints_of_a_profile() {
        let text = "[profile p]\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = hush\nservices = s\n\
                    [services s]\nfirehose =\n  endpoint_url = http://localhost:4566\n\
                    [profile half]\naws_access_key_id = AKIDHALF\n";
        let (dir, home) = files("keys", text);
        let settings = resolve(&[("profile", "p")], &[("HOME", &home)]).unwrap();
        assert_eq!(settings.endpoint.as_ref().unwrap().port, 4566);
        assert_eq!(settings.region.as_ref().unwrap().value, "us-east-1");
        assert_eq!(keys(&settings).unwrap().access_key_id, "AKIDPROFILE");
        assert_eq!(settings.credential.passed_over.len(), 2);
        let ignored =
            [("HOME", home.as_str()), ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"), ("AWS_PROFILE", "p")];
        assert!(resolve(&[], &ignored).unwrap().endpoint.is_none());
        for profile in ["half", "nobody"] {
            let error = resolve(&[("profile", profile)], &[("HOME", &home)]).err().unwrap();
            assert_eq!(error.kind, Kind::CredentialsFailed);
            assert!(
                error.message.contains(profile) && !error.message.contains("AKIDHALF"),
                "{}",
                error.message
            );
        }
        let given = [("HOME", home.as_str()), ("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "B")];
        assert_eq!(source(&resolve(&[("profile", "nobody")], &given).unwrap()), "the environment");
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn endpoints_are_passed_over_where_that_is_asked_for() {
        let text = "[default]\nregion = eu-west-1\nignore_configured_endpoint_urls = true\n\
                    endpoint_url = http://profile\n[profile lost]\nservices = nowhere\n";
        let (dir, home) = files("ignored", text);
        let url = ("AWS_ENDPOINT_URL", "http://variable");
        let host = |environment: &[(&str, &str)]| {
            let all: Vec<_> = [("HOME", home.as_str())].iter().chain(environment).copied().collect();
            resolve(&[], &all).unwrap().endpoint.unwrap().host
        };
        assert_eq!(host(&[url]), "firehose.eu-west-1.amazonaws.com");
        // The variable decides before the profile.
        let off = ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false");
        assert_eq!(host(&[off]), "profile");
        assert_eq!(host(&[off, url]), "variable");
        let settings = resolve(&[("endpoint", "http://option")], &[("HOME", &home)]).unwrap();
        assert_eq!(settings.endpoint.unwrap().host, "option");
        let message = resolve(&[("profile", "lost")], &[("HOME", &home)]).err().unwrap().message;
        assert!(message.contains("[services nowhere]") && message.contains("profile lost in"), "{message}");
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn files_in_use_are_shown() {
        let settings = resolve(
            &[("profile", "p")],
            &[
                ("AWS_CONFIG_FILE", "~/c"),
                ("HOME", "/h"),
                ("AWS_ACCESS_KEY_ID", "A"),
                ("AWS_SECRET_ACCESS_KEY", "B"),
            ],
        )
        .unwrap();
        assert_eq!(shown(&settings, "config_file"), pair("/h/c", "AWS_CONFIG_FILE"));
        assert_eq!(shown(&settings, "credentials_file"), pair("/h/.aws/credentials", "default"));
        assert_eq!(shown(&settings, "profile"), pair("p", "option"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (options, environment, words) in [
            (&[("access_key_id", "A")][..], &[][..], "secret_access_key is not"),
            (&[], &[("AWS_MAX_ATTEMPTS", "many")], "AWS_MAX_ATTEMPTS"),
            (&[], &[("AWS_SECRET_ACCESS_KEY", "hush")], "lacks AWS_ACCESS_KEY_ID"),
            (&[], &[("HTTPS_PROXY", "socks5://hush@x")], "HTTPS_PROXY"),
            (&[], &[("AWS_ENDPOINT_URL", "ftp://x")], "ftp"),
            (&[("app_id", "a b")], &[], "app_id"),
            (&[("region", "eu west")], &[], "region"),
            (&[("endpoint", "http://x"), ("use_fips", "true")], &[], "FIPS"),
            (&[], &[("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "yes")], "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"),
        ] {
            let message = resolve(options, environment).err().unwrap().message;
            assert!(message.contains(words) && !message.contains("hush"), "{message}");
        }
        let settings = resolve(&[], &[("AWS_MAX_ATTEMPTS", " "), ("AWS_ENDPOINT_URL", "")]).unwrap();
        let error = keys(&settings).unwrap_err();
        assert_eq!((error.kind, error.message.lines().count()), (Kind::NoCredentials, 6));
        assert!(settings.endpoint.is_none());
    }

    #[test]
    fn passwords_are_not_shown() {
        let settings = resolve(&[("proxy", "http://me:hush@p:1/x@y")], &[]).unwrap();
        assert_eq!(shown(&settings, "proxy"), pair("http://p:1/x@y", "option"));
        assert_eq!(without_userinfo("me:hush@p:1"), "p:1");
    }
}
