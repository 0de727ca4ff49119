//! Where a service is: the host name that AWS gives it in a region, or an endpoint that somebody chose.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::error::{Error, Kind, Result};

/// A service that the library speaks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// Amazon Data Firehose.
    Firehose,
    /// The Security Token Service, which hands out a role's credentials.
    Sts,
    /// The portal of IAM Identity Center, which hands out a signed-in user's credentials.
    SsoPortal,
    /// The token service of IAM Identity Center.
    SsoOidc,
}

impl Service {
    fn prefix(self) -> &'static str {
        match self {
            Service::Firehose => "firehose",
            Service::Sts => "sts",
            Service::SsoPortal => "portal.sso",
            Service::SsoOidc => "oidc",
        }
    }
}

struct Partition {
    name: &'static str,
    /// What the regions of the partition start with, up to and without the two last parts (`west-1`).
    regions: &'static [&'static str],
    suffix: &'static str,
    dualstack_suffix: &'static str,
}

/// All of them have FIPS and dual-stack endpoints. The first is also that of the regions that nobody knows.
const PARTITIONS: [Partition; 8] = [
    Partition {
        name: "aws",
        regions: &["us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx"],
        suffix: "amazonaws.com",
        dualstack_suffix: "api.aws",
    },
    Partition {
        name: "aws-cn",
        regions: &["cn"],
        suffix: "amazonaws.com.cn",
        dualstack_suffix: "api.amazonwebservices.com.cn",
    },
    Partition {
        name: "aws-eusc",
        regions: &["eusc-de"],
        suffix: "amazonaws.eu",
        dualstack_suffix: "api.amazonwebservices.eu",
    },
    Partition {
        name: "aws-iso",
        regions: &["us-iso"],
        suffix: "c2s.ic.gov",
        dualstack_suffix: "api.aws.ic.gov",
    },
    Partition {
        name: "aws-iso-b",
        regions: &["us-isob"],
        suffix: "sc2s.sgov.gov",
        dualstack_suffix: "api.aws.scloud",
    },
    Partition {
        name: "aws-iso-e",
        regions: &["eu-isoe"],
        suffix: "cloud.adc-e.uk",
        dualstack_suffix: "api.cloud-aws.adc-e.uk",
    },
    Partition {
        name: "aws-iso-f",
        regions: &["us-isof"],
        suffix: "csp.hci.ic.gov",
        dualstack_suffix: "api.aws.hci.ic.gov",
    },
    Partition {
        name: "aws-us-gov",
        regions: &["us-gov"],
        suffix: "amazonaws.com",
        dualstack_suffix: "api.aws",
    },
];

impl Partition {
    fn of(region: &str) -> &'static Partition {
        let [first, ..] = &PARTITIONS;
        PARTITIONS.iter().find(|partition| partition.has(region)).unwrap_or(first)
    }

    fn has(&self, region: &str) -> bool {
        if region.strip_suffix("-global") == Some(self.name) {
            return true;
        }
        let mut parts = region.rsplitn(3, '-');
        let number = parts.next().unwrap_or_default();
        let place = parts.next().unwrap_or_default();
        let start = parts.next().unwrap_or_default();
        !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && !place.is_empty()
            && self.regions.contains(&start)
    }
}

/// An address to send requests to, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Whether the connection is encrypted.
    pub(crate) tls: bool,
    /// What is resolved, connected to and looked for in the certificate: a name in lower case, an IPv4 address, or an
    /// IPv6 address in its shortest form, without brackets.
    pub(crate) host: String,
    /// The port, 443 or 80 where none was given.
    pub(crate) port: u16,
    /// The value of the `Host` header, also that which is signed: an IPv6 address stands in brackets, the port only if
    /// it is not the scheme's own.
    pub(crate) authority: String,
    /// The path of every request, `/` at least. It is sent as it is: percent-encoded already, with no empty, `.` or
    /// `..` segment but the one after a final slash.
    pub(crate) path: String,
}

/// Where `service` is in `region`.
pub(crate) fn resolve(service: Service, region: &str, fips: bool, dualstack: bool) -> Result<Endpoint> {
    if region.is_empty() {
        let message =
            "Invalid Configuration: Missing Region: set the option region or AWS_REGION, as us-east-1";
        return Err(Error::new(Kind::NoRegion, message));
    }
    check_region(region)?;
    let partition = Partition::of(region);
    // Outside Firehose the plain endpoints of GovCloud are the FIPS ones.
    let plain_is_fips = partition.name == "aws-us-gov" && service != Service::Firehose && !dualstack;
    let fips = if fips && !plain_is_fips { "-fips" } else { "" };
    let suffix = if dualstack { partition.dualstack_suffix } else { partition.suffix };
    let host = format!("{}{fips}.{region}.{suffix}", service.prefix()).to_ascii_lowercase();
    Ok(Endpoint { tls: true, authority: host.clone(), host, port: 443, path: "/".to_owned() })
}

/// The endpoint that the caller chose, which says itself whether it is a FIPS or dual-stack one.
pub(crate) fn custom(url: &str, fips: bool, dualstack: bool) -> Result<Endpoint> {
    let flaw = match (fips, dualstack) {
        (true, _) => "Invalid Configuration: FIPS and custom endpoint are not supported: unset use_fips or",
        (_, true) => {
            "Invalid Configuration: Dualstack and custom endpoint are not supported: unset use_dualstack or"
        }
        _ => return Endpoint::parse(url),
    };
    Err(Error::new(Kind::InvalidArgument, format!("{flaw} the endpoint {}", shown(url))))
}

/// Refuses a region that cannot be a part of a host name, before a typing error becomes a foreign host.
pub(crate) fn check_region(region: &str) -> Result<()> {
    if is_region(region) {
        return Ok(());
    }
    let message = format!(
        "the region {:?} is not valid: it is 1 to 63 letters, digits and hyphens, as us-east-1",
        region.chars().take(80).collect::<String>()
    );
    Err(Error::new(Kind::InvalidArgument, message))
}

fn is_region(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=63).contains(&text.len())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(allowed)
}

/// The region in one of Firehose's own host names, those of private links too; `None` for any other host.
pub(crate) fn region_of_host(host: &str) -> Option<&str> {
    let name = host.strip_suffix('.').unwrap_or(host);
    let before = PARTITIONS
        .iter()
        .flat_map(|partition| [partition.suffix, partition.dualstack_suffix])
        .find_map(|suffix| name.strip_suffix(suffix)?.strip_suffix('.'))?;
    let before = before.strip_suffix(".vpce").unwrap_or(before);
    let (service, region) = before.rsplit_once('.')?;
    let service = service.rsplit('.').next().unwrap_or(service);
    (matches!(service, "firehose" | "firehose-fips") && is_region(region)).then_some(region)
}

impl Endpoint {
    /// Takes a URL apart: `http` or `https`, a host, and as one likes a port and the path in front of every request's.
    pub(crate) fn parse(url: &str) -> Result<Endpoint> {
        parse(url).map_err(|flaw| {
            let message = format!(
                "the endpoint {} is not valid: {flaw}; it is http:// or https://, a host and, if need be, a port and a path, \
                 as http://localhost:4566",
                shown(url)
            );
            Error::new(Kind::InvalidArgument, message)
        })
    }
}

fn parse(url: &str) -> std::result::Result<Endpoint, &'static str> {
    let (scheme, rest) = url.split_once("://").ok_or("it has no scheme")?;
    let (tls, default_port) = match scheme {
        _ if scheme.eq_ignore_ascii_case("https") => (true, 443),
        _ if scheme.eq_ignore_ascii_case("http") => (false, 80),
        _ => return Err("its scheme is neither http nor https"),
    };
    if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("it has a blank, a control character or one that is not ASCII");
    }
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err("it has a user name in it, and credentials are not taken from an endpoint");
    }
    if tail.contains(['?', '#']) {
        return Err("it has a query or a fragment");
    }
    let (host, port) = split_port(authority)?;
    let port = match port {
        Some(digits) => parse_port(digits)?,
        None => default_port,
    };
    let (host, in_header) = match host.strip_prefix('[') {
        Some(bracketed) => {
            let address = bracketed.strip_suffix(']').and_then(|text| text.parse::<Ipv6Addr>().ok());
            let address = address.ok_or("what stands in brackets is no IPv6 address")?;
            (address.to_string(), format!("[{address}]"))
        }
        None => (check_host(host)?, host.to_ascii_lowercase()),
    };
    let authority = if port == default_port { in_header } else { format!("{in_header}:{port}") };
    Ok(Endpoint { tls, host, port, authority, path: check_path(tail)? })
}

type Checked<T> = std::result::Result<T, &'static str>;

fn split_port(authority: &str) -> Checked<(&str, Option<&str>)> {
    if authority.starts_with('[') {
        let (host, rest) =
            authority.split_at(authority.find(']').ok_or("a bracket is not closed")?.saturating_add(1));
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err("after the bracket comes neither a port nor a path"),
        };
    }
    match authority.split_once(':') {
        Some((_, port)) if port.contains(':') => Err("an IPv6 address goes into brackets"),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((authority, None)),
    }
}

fn parse_port(digits: &str) -> Checked<u16> {
    // A sign is a number to Rust, but no port.
    let port = if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None };
    port.filter(|port| *port != 0).ok_or("its port is not a number from 1 to 65535")
}

fn check_host(host: &str) -> Checked<String> {
    if host.is_empty() {
        return Err("it has no host");
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let last = name.rsplit('.').next().unwrap_or(name);
    // The C library takes 127.1 and 0x7f.1 for addresses; a wrong address must not become another one.
    let is_number = last.starts_with("0x") || last.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && host.parse::<Ipv4Addr>().is_err() {
        return Err("its host is a number, but no IPv4 address of four parts");
    }
    // Names of containers have underscores.
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() > 253 || !name.split('.').all(is_label) {
        return Err("its host is no host name");
    }
    Ok(host.to_ascii_lowercase())
}

fn check_path(path: &str) -> Checked<String> {
    let Some(segments) = path.strip_prefix('/') else { return Ok("/".to_owned()) };
    // Signing takes empty and dotted segments away, sending does not: the service would refuse the signature.
    let body = segments.strip_suffix('/').unwrap_or(segments);
    if !segments.is_empty() && body.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err("its path has an empty segment or one of dots");
    }
    let mut escapes = path.split('%').skip(1);
    let is_escape =
        |text: &str| text.get(..2).is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if !escapes.all(is_escape) {
        return Err("a % in its path is not followed by two hexadecimal digits");
    }
    if path.contains(['"', '<', '>', '\\', '^', '`', '{', '|', '}', '[', ']']) {
        return Err("its path has a character that must be percent-encoded");
    }
    Ok(path.to_owned())
}

/// The URL as a message may show it: without what may be a password in front of an `@` or a token in a query.
fn shown(url: &str) -> String {
    let without_user = match url.rsplit_once('@') {
        Some((before, after)) => {
            let scheme = ["https://", "http://"].into_iter().find(|scheme| before.starts_with(scheme));
            format!("{}{after}", scheme.unwrap_or_default())
        }
        None => url.to_owned(),
    };
    let kept = without_user.split(['?', '#']).next().unwrap_or_default();
    format!("{:?}", kept.chars().take(200).collect::<String>())
}

#[cfg(test)]
mod tests;
