//! Which proxy a connection goes through, if any.

use crate::error::{Error, Result};
use std::net::IpAddr;
use zeroize::Zeroizing;

/// A proxy that speaks HTTP.
#[derive(Clone)]
pub(crate) struct Proxy {
    /// Name or address, without brackets.
    pub(crate) host: String,
    /// Its port.
    pub(crate) port: u16,
    /// It is itself reached over TLS.
    pub(crate) tls: bool,
    /// The value of `Proxy-Authorization`.
    pub(crate) authorization: Option<Zeroizing<String>>,
}

impl Proxy {
    /// Reads `http://user:password@host:port`; the scheme may be left out, as in curl. `from` names the option or
    /// variable for the message, which never repeats the value: it may hold a password.
    pub(crate) fn parse(url: &str, from: &str) -> Result<Proxy> {
        let bad = |why: &str| {
            Error::invalid(format!(
                "{from} is no proxy: {why}; it takes http[s]://[user:password@]host[:port]"
            ))
        };
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let tls = scheme.eq_ignore_ascii_case("https");
        if !tls && !scheme.eq_ignore_ascii_case("http") {
            return Err(bad("its scheme is neither http nor https"));
        }
        let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (user, address) =
            rest.rsplit_once('@').map_or((None, rest), |(user, address)| (Some(user), address));
        let (host, port) = split_port(address).ok_or_else(|| bad("its host or port cannot be read"))?;
        if host.is_empty() || !host.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(bad("it names no host"));
        }
        let authorization = user.map(|user| {
            let plain = Zeroizing::new(percent_decoded(user));
            let plain =
                if plain.contains(&b':') { plain } else { Zeroizing::new([plain.as_slice(), b":"].concat()) };
            Zeroizing::new(format!("Basic {}", base64_simd::STANDARD.encode_to_string(plain.as_slice())))
        });
        let port = port.unwrap_or(if tls { 443 } else { 80 });
        Ok(Proxy { host: host.into(), port, tls, authorization })
    }

    /// `host:port`, for messages.
    pub(crate) fn name(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// The proxies of a client, and what goes past them.
#[derive(Clone, Default)]
pub(crate) struct Proxies {
    /// For `http://` endpoints.
    pub(crate) http: Option<Proxy>,
    /// For `https://` endpoints.
    pub(crate) https: Option<Proxy>,
    /// A list as in `NO_PROXY`.
    pub(crate) except: String,
}

impl Proxies {
    /// The proxy for a connection to `host` and `port`.
    pub(crate) fn choose(&self, tls: bool, host: &str, port: u16) -> Option<&Proxy> {
        let proxy = if tls { self.https.as_ref() } else { self.http.as_ref() }?;
        let except = self.except.split([',', ' ', '\t']).map(str::trim).filter(|rule| !rule.is_empty());
        (!except.into_iter().any(|rule| matches(rule, host, port))).then_some(proxy)
    }
}

/// `host`, `host:port`, `[v6]`, `[v6]:port` or a bare v6 address.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        let port = if after.is_empty() { None } else { Some(after.strip_prefix(':')?.parse().ok()?) };
        return Some((host, port));
    }
    match text.rsplit_once(':') {
        Some((host, _)) if host.contains(':') => Some((text, None)),
        Some((host, port)) => Some((host, Some(port.parse().ok()?))),
        None => Some((text, None)),
    }
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = tail
            .get(..2)
            .and_then(|d| std::str::from_utf8(d).ok())
            .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        match digits.filter(|_| byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    out
}

/// Whether a rule of `NO_PROXY` covers the host: `*`, a name and what lies below it (with or without a leading dot),
/// an address, or a network; a port narrows it.
fn matches(rule: &str, host: &str, port: u16) -> bool {
    if let Some((network, bits)) = rule.split_once('/') {
        let (bits, only) = bits.split_once(':').map_or((bits, None), |(bits, only)| (bits, Some(only)));
        let network = network.trim_start_matches('[').trim_end_matches(']');
        return only.is_none_or(|only| only.parse() == Ok(port)) && in_network(network, bits, host);
    }
    let Some((name, only)) = split_port(rule) else { return false };
    if only.is_some_and(|only| only != port) {
        return false;
    }
    if name == "*" {
        return true;
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        // What an address ends with says nothing.
        return name.parse() == Ok(address);
    }
    let name =
        name.trim_start_matches("*.").trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase();
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    !name.is_empty() && (host == name || host.strip_suffix(&name).is_some_and(|rest| rest.ends_with('.')))
}

fn in_network(network: &str, bits: &str, host: &str) -> bool {
    let (Ok(network), Ok(bits), Ok(host)) =
        (network.parse::<IpAddr>(), bits.parse::<u32>(), host.parse::<IpAddr>())
    else {
        return false;
    };
    match (network, host) {
        (IpAddr::V4(a), IpAddr::V4(b)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            u32::from(a) & mask == u32::from(b) & mask
        }
        (IpAddr::V6(a), IpAddr::V6(b)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            u128::from(a) & mask == u128::from(b) & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_never_repeated() {
        let proxy = Proxy::parse("http://me:p%40ss@proxy.corp:3128/", "proxy").unwrap();
        assert_eq!((proxy.name().as_str(), proxy.port), ("proxy.corp:3128", 3128));
        assert_eq!(proxy.authorization.unwrap().as_str(), "Basic bWU6cEBzcw==");
        assert_eq!(Proxy::parse("proxy:8080", "proxy").unwrap().name(), "proxy:8080");
        assert_eq!(Proxy::parse("http://[::1]", "proxy").unwrap().name(), "[::1]:80");
        for bad in
            ["socks5://secret@x", "https://secret@", "http://secret@", "http://secret@x:99999", "http://"]
        {
            let message = Proxy::parse(bad, "HTTPS_PROXY").err().unwrap().message;
            assert!(message.contains("HTTPS_PROXY") && !message.contains("secret"), "{message}");
        }
    }

    #[test]
    fn no_proxy_rules() {
        for (rule, host, port, covered) in [
            ("*", "a.b", 1, true),
            ("example.com", "example.com", 443, true),
            ("example.com", "www.Example.com", 443, true),
            (".example.com", "www.example.com", 443, true),
            ("*.example.com", "www.example.com", 443, true),
            (".example.com", "notexample.com", 443, false),
            ("example.com:80", "example.com", 443, false),
            ("example.com:443", "example.com", 443, true),
            ("10.0.0.0/8", "10.1.2.3", 1, true),
            ("10.0.0.0/8", "11.1.2.3", 1, false),
            ("10.0.0.0/0", "11.1.2.3", 1, true),
            ("10.0.0.0/99", "10.0.0.0", 1, false),
            ("10.0.0.0/8:80", "10.1.2.3", 80, true),
            ("10.0.0.0/8:80", "10.1.2.3", 443, false),
            ("10.0.0.0/8:", "10.1.2.3", 443, false),
            ("[fd00::]/8", "fd00:ec2::23", 1, true),
            ("*:443", "a.b", 443, true),
            ("*:443", "a.b", 80, false),
            (".0.1", "127.0.0.1", 1, false),
            ("1", "127.0.0.1", 1, false),
            ("fd00::/8", "fd00:ec2::23", 1, true),
            ("127.0.0.1", "127.0.0.1", 1, true),
            ("[::1]:8080", "::1", 8080, true),
            ("::1", "::1", 8080, true),
            (".", "example.com", 1, false),
        ] {
            assert_eq!(matches(rule, host, port), covered, "{rule} {host}:{port}");
        }
        let proxies = Proxies {
            https: Proxy::parse("p:1", "").ok(),
            except: "localhost, 10.0.0.0/8".into(),
            ..Proxies::default()
        };
        assert!(proxies.choose(true, "example.com", 443).is_some());
        assert!(proxies.choose(false, "example.com", 80).is_none());
        assert!(proxies.choose(true, "10.9.9.9", 443).is_none());
    }
}
