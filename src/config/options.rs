//! The one table of options. Parsing, defaults, environment, `describe` and the manual all come from it.

use super::endpoint::{Endpoint, check_region};
use crate::error::{Error, Result};

/// What values an option takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// Any text.
    Text,
    /// A URL; `describe` hides what may be a password in it.
    Url,
    /// `http://` or `https://`, host, port, path.
    Endpoint,
    /// The name of a region.
    Region,
    /// Text that nobody is shown.
    Secret,
    /// `true` or `false`.
    Flag,
    /// A whole number within bounds; the unit is in the option's name.
    Number(i64, i64),
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// One option.
#[derive(Debug)]
pub(crate) struct Definition {
    /// As callers write it.
    pub(crate) name: &'static str,
    /// What it takes.
    pub(crate) shape: Shape,
    /// Variables that give it where no option does, the first that is set counts.
    pub(crate) variables: &'static [&'static str],
    /// The key of a profile that gives it where no variable does.
    pub(crate) profile_key: Option<&'static str>,
    /// The value where nothing gives it.
    pub(crate) default: Option<&'static str>,
    /// For the manual.
    #[cfg_attr(not(test), expect(dead_code, reason = "the test that writes the manual's table reads it"))]
    pub(crate) doc: &'static str,
}

/// Every option, by a name that the compiler knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
#[expect(clippy::enum_variant_names, reason = "SecretAccessKey is what it is called")]
pub(crate) enum Key {
    Region,
    Endpoint,
    UseFips,
    UseDualstack,
    AccessKeyId,
    SecretAccessKey,
    SessionToken,
    Profile,
    ConfigFile,
    CredentialsFile,
    CaBundle,
    CaPem,
    Proxy,
    NoProxy,
    ConnectTimeoutMs,
    ReadTimeoutMs,
    OperationTimeoutMs,
    MaxAttempts,
    RetryMode,
    MaxConnections,
    DisableClockSkewCorrection,
    LogFd,
    LogLevel,
    AppId,
    ProducerBatchRecords,
    ProducerBatchBytes,
    ProducerLingerMs,
    ProducerQueueBytes,
    ProducerMaxInFlight,
    ProducerDelimiter,
    ProducerAggregate,
    ProducerAggregateRecords,
    ProducerAggregateBytes,
    ProducerCompression,
    ProducerMaxBytesPerSecond,
    ProducerOverflow,
    ProducerDeliveryTimeoutMs,
    ProducerReports,
    ProducerSpoolDir,
    ProducerSpoolBytes,
    ProducerSpoolSync,
    #[cfg(feature = "test-hooks")]
    TestPanic,
    #[cfg(feature = "test-hooks")]
    TestClockOffsetMs,
    #[cfg(feature = "test-hooks")]
    TestFiles,
}

impl Key {
    /// The value where nothing gives it.
    pub(crate) fn default(self) -> Option<&'static str> {
        OPTIONS.get(self as usize).and_then(|option| option.default)
    }
}

const fn option(name: &'static str, shape: Shape, doc: &'static str) -> Definition {
    Definition { name, shape, variables: &[], profile_key: None, default: None, doc }
}

const HOUR: i64 = 3_600_000;

/// In the order of [`Key`].
pub(crate) static OPTIONS: &[Definition] = &[
    Definition {
        variables: &["AWS_REGION", "AWS_DEFAULT_REGION"],
        profile_key: Some("region"),
        ..option("region", Shape::Region, "The region of the streams, such as `eu-west-1`.")
    },
    Definition {
        variables: &["AWS_ENDPOINT_URL_FIREHOSE", "AWS_ENDPOINT_URL"],
        profile_key: Some("endpoint_url"),
        ..option(
            "endpoint",
            Shape::Endpoint,
            "Where requests go instead of the region's own endpoint: `http://` or `https://`, host, port, path.",
        )
    },
    Definition {
        variables: &["AWS_USE_FIPS_ENDPOINT"],
        profile_key: Some("use_fips_endpoint"),
        default: Some("false"),
        ..option("use_fips", Shape::Flag, "Use the region's FIPS endpoint.")
    },
    Definition {
        variables: &["AWS_USE_DUALSTACK_ENDPOINT"],
        profile_key: Some("use_dualstack_endpoint"),
        default: Some("false"),
        ..option("use_dualstack", Shape::Flag, "Use the region's endpoint for IPv4 and IPv6.")
    },
    option("access_key_id", Shape::Text, "Keys given by hand; else the credential chain is asked."),
    option("secret_access_key", Shape::Secret, "Goes with `access_key_id`."),
    option("session_token", Shape::Secret, "Goes with temporary keys."),
    Definition {
        variables: &["AWS_PROFILE"],
        default: Some("default"),
        ..option("profile", Shape::Text, "The profile of the shared files.")
    },
    Definition {
        variables: &["AWS_CONFIG_FILE"],
        default: Some("~/.aws/config"),
        ..option("config_file", Shape::Text, "The shared config file.")
    },
    Definition {
        variables: &["AWS_SHARED_CREDENTIALS_FILE"],
        default: Some("~/.aws/credentials"),
        ..option("credentials_file", Shape::Text, "The shared credentials file.")
    },
    Definition {
        variables: &["AWS_CA_BUNDLE"],
        profile_key: Some("ca_bundle"),
        ..option(
            "ca_bundle",
            Shape::Text,
            "A file of PEM certificates to trust instead of the system's store; where neither is there, built-in roots are used.",
        )
    },
    option("ca_pem", Shape::Text, "The same as text."),
    option(
        "proxy",
        Shape::Url,
        "`http://[user:password@]host[:port]`, or `https://` where the proxy itself is reached over TLS, for all connections; else `HTTPS_PROXY` or `HTTP_PROXY`, by the endpoint's scheme, in upper or lower case.",
    ),
    Definition {
        variables: &["NO_PROXY", "no_proxy"],
        ..option(
            "no_proxy",
            Shape::Text,
            "Hosts that are reached without the proxy: names with all below them, addresses, networks (CIDR), `*`, each with a port or not, separated by commas.",
        )
    },
    Definition {
        default: Some("3100"),
        ..option(
            "connect_timeout_ms",
            Shape::Number(1, HOUR),
            "Bounds name resolution, connecting, the proxy and the TLS handshake together.",
        )
    },
    Definition {
        default: Some("30000"),
        ..option("read_timeout_ms", Shape::Number(1, HOUR), "Bounds each wait in which nothing moves.")
    },
    Definition {
        default: Some("120000"),
        ..option("operation_timeout_ms", Shape::Number(1, HOUR), "Bounds a whole call, retries included.")
    },
    Definition {
        variables: &["AWS_MAX_ATTEMPTS"],
        profile_key: Some("max_attempts"),
        default: Some("3"),
        ..option("max_attempts", Shape::Number(1, 100), "Requests that one call makes at the most.")
    },
    Definition {
        variables: &["AWS_RETRY_MODE"],
        profile_key: Some("retry_mode"),
        default: Some("standard"),
        ..option(
            "retry_mode",
            Shape::Choice(&["standard", "adaptive", "legacy"]),
            "`adaptive` also slows the client down when it is throttled; `legacy` is taken as `standard`.",
        )
    },
    Definition {
        default: Some("50"),
        ..option(
            "max_connections",
            Shape::Number(1, 10_000),
            "Calls and connections at once; further calls wait.",
        )
    },
    Definition {
        variables: &["AWS_DISABLE_CLOCK_SKEW_CORRECTION"],
        default: Some("false"),
        ..option(
            "disable_clock_skew_correction",
            Shape::Flag,
            "Believe the machine's clock even where the service's differs.",
        )
    },
    option(
        "log_fd",
        Shape::Number(0, 1_000_000),
        "A descriptor that the host opened and to which log lines are written.",
    ),
    Definition {
        default: Some("warn"),
        ..option(
            "log_level",
            Shape::Choice(&["off", "error", "warn", "info", "debug"]),
            "How much is said to `log_fd`.",
        )
    },
    Definition {
        variables: &["AWS_SDK_UA_APP_ID"],
        profile_key: Some("sdk_ua_app_id"),
        ..option(
            "app_id",
            Shape::Text,
            "Names the program in the `User-Agent`; at most 50 letters, digits and `!#$%&'*+-.^_|~` or backquotes.",
        )
    },
    Definition {
        default: Some("500"),
        ..option("producer.batch_records", Shape::Number(1, 500), "Records that one call takes at the most.")
    },
    Definition {
        default: Some("4194304"),
        ..option(
            "producer.batch_bytes",
            Shape::Number(1, 4_194_304),
            "Bytes that one call takes at the most.",
        )
    },
    Definition {
        default: Some("100"),
        ..option(
            "producer.linger_ms",
            Shape::Number(0, HOUR),
            "How long a record waits for others to go with it.",
        )
    },
    Definition {
        default: Some("67108864"),
        ..option(
            "producer.queue_bytes",
            Shape::Number(2 << 20, 1 << 40),
            "What is held in memory at the most: records queued and in flight, reports not fetched, with their book-keeping.",
        )
    },
    Definition {
        default: Some("4"),
        ..option(
            "producer.max_in_flight",
            Shape::Number(1, 64),
            "Calls at once, each on a thread of its own.",
        )
    },
    option("producer.delimiter", Shape::Text, "`\\n` appends a newline to a record that lacks one."),
    Definition {
        default: Some("false"),
        ..option(
            "producer.aggregate",
            Shape::Flag,
            "Packs many puts, each ended by a newline, into one record: the service bills each record as a multiple of 5,120 bytes.",
        )
    },
    Definition {
        default: Some("500"),
        ..option(
            "producer.aggregate_records",
            Shape::Number(1, 500),
            "Puts in one record at the most; past 500 the service does not take a record apart any more.",
        )
    },
    Definition {
        default: Some("102400"),
        ..option(
            "producer.aggregate_bytes",
            Shape::Number(1, 1_022_976),
            "Bytes of one record of several puts at the most, before compression.",
        )
    },
    Definition {
        default: Some("none"),
        ..option(
            "producer.compression",
            Shape::Choice(&["none", "gzip"]),
            "`gzip` makes each record one gzip member, so that the joined object is gzip, too; a put then has at most 1,022,976 bytes.",
        )
    },
    option(
        "producer.max_bytes_per_second",
        Shape::Number(1, 1 << 40),
        "Bytes of records sent in a second at the most. Without it the stream's quota is found from the service's throttling.",
    ),
    Definition {
        default: Some("refuse"),
        ..option(
            "producer.overflow",
            Shape::Choice(&["refuse", "drop_oldest"]),
            "What a full queue does: refuse the new record, or drop the oldest ones, which then have failed.",
        )
    },
    option(
        "producer.delivery_timeout_ms",
        Shape::Number(1, 365 * 24 * HOUR),
        "The age at which a record is given up: 300000 where records are kept in memory, no limit where they are spooled.",
    ),
    Definition {
        default: Some("none"),
        ..option(
            "producer.reports",
            Shape::Choice(&["none", "failures", "all"]),
            "Which fates are reported: each such record has exactly one report, kept until it is fetched.",
        )
    },
    option(
        "producer.spool_dir",
        Shape::Text,
        "A folder in which records wait on disk, so that they outlive the process. `%p` becomes the process id. Without it they wait in memory.",
    ),
    Definition {
        default: Some("1073741824"),
        ..option(
            "producer.spool_bytes",
            Shape::Number(8 << 20, 1 << 44),
            "Bytes of the spool's files at the most.",
        )
    },
    Definition {
        default: Some("interval"),
        ..option(
            "producer.spool_sync",
            Shape::Choice(&["put", "interval", "never"]),
            "What outlives a loss of power: all (`put`), all but the last second, what the kernel had written (`never`).",
        )
    },
    #[cfg(feature = "test-hooks")]
    option("test.panic", Shape::Choice(&["put", "lookup", "log"]), "Panics there."),
    #[cfg(feature = "test-hooks")]
    Definition {
        default: Some("0"),
        ..option("test.clock_offset_ms", Shape::Number(i64::MIN, i64::MAX), "Added to the clock.")
    },
    #[cfg(feature = "test-hooks")]
    option("test.files", Shape::Flag, "Describes what was understood of the shared files, secrets and all."),
];

/// An option's place in the table, or an error that suggests the nearest name.
pub(crate) fn find(name: &str) -> Result<usize> {
    if let Some(index) = OPTIONS.iter().position(|option| option.name == name) {
        return Ok(index);
    }
    let nearest = OPTIONS.iter().map(|option| (distance(name, option.name), option.name)).min();
    let hint = match nearest {
        Some((distance, nearest)) if distance <= 3.max(name.len() / 3) => {
            format!("; did you mean {nearest}?")
        }
        _ => "; firehose_option_name lists all".into(),
    };
    let shown: String = name.chars().take(80).collect();
    Err(Error::invalid(format!("there is no option named {shown:?}{hint}")))
}

/// Edits that turn one word into the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(80).collect();
    let mut row: Vec<usize> = (0..=a.len()).collect();
    for (i, cb) in b.chars().enumerate() {
        let mut left = i + 1;
        let mut corner = i;
        for (n, ca) in a.iter().enumerate() {
            let above = row.get(n + 1).copied().unwrap_or_default();
            let best = (corner + usize::from(*ca != cb)).min(above + 1).min(left + 1);
            corner = above;
            if let Some(cell) = row.get_mut(n) {
                *cell = left;
            }
            left = best;
        }
        if let Some(cell) = row.last_mut() {
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

impl Definition {
    /// Checks a value; `from` is what gave it: the option itself, a variable, a profile's key.
    pub(crate) fn check(&self, value: &str, from: &str) -> Result<()> {
        let allowed = match self.shape {
            Shape::Text | Shape::Url | Shape::Secret => return Ok(()),
            Shape::Endpoint => return named(Endpoint::parse(value).map(drop), from),
            Shape::Region => return named(check_region(value), from),
            Shape::Flag if flag(value).is_some() => return Ok(()),
            Shape::Flag => "true or false".to_owned(),
            Shape::Number(least, most) => {
                if value.trim().parse::<i64>().is_ok_and(|number| (least..=most).contains(&number)) {
                    return Ok(());
                }
                format!("a whole number from {least} to {most}")
            }
            Shape::Choice(words) => {
                if words.iter().any(|word| word.eq_ignore_ascii_case(value.trim())) {
                    return Ok(());
                }
                words.join(", ")
            }
        };
        let shown: String = value.chars().take(80).collect();
        Err(Error::invalid(format!("{from} is {shown:?}; allowed: {allowed}")))
    }
}

/// Says in front of an error where the value came from.
fn named(checked: Result<()>, from: &str) -> Result<()> {
    checked.map_err(|error| Error::invalid(format!("{from}: {}", error.message)))
}

/// `true` and `false` in any case, as the other SDKs take them; 1 and 0 too.
pub(crate) fn flag(value: &str) -> Option<bool> {
    match value.trim() {
        "1" => Some(true),
        "0" => Some(false),
        word if word.eq_ignore_ascii_case("true") => Some(true),
        word if word.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_keys_and_its_defaults_are_good() {
        assert_eq!(OPTIONS[Key::Region as usize].name, "region");
        assert_eq!(OPTIONS[Key::MaxAttempts as usize].name, "max_attempts");
        assert_eq!(OPTIONS[Key::AppId as usize].name, "app_id");
        for option in OPTIONS {
            if let Some(default) = option.default {
                option.check(default, option.name).unwrap();
            }
        }
    }

    #[test]
    fn wrong_names_are_put_right() {
        assert_eq!(find("region").unwrap(), 0);
        for (wrong, right) in
            [("regoin", "region"), ("max_atempts", "max_attempts"), ("read_timeout", "read_timeout_ms")]
        {
            let message = find(wrong).unwrap_err().message;
            assert!(message.contains(right), "{message}");
        }
        assert!(find("zzzzzzzzzzzz").unwrap_err().message.contains("firehose_option_name"));
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn bad_values_are_told() {
        let message = OPTIONS[Key::MaxAttempts as usize].check("0", "AWS_MAX_ATTEMPTS").unwrap_err().message;
        assert_eq!(message, "AWS_MAX_ATTEMPTS is \"0\"; allowed: a whole number from 1 to 100");
        assert!(OPTIONS[Key::UseFips as usize].check("maybe", "use_fips").is_err());
        assert!(OPTIONS[Key::RetryMode as usize].check("Adaptive", "retry_mode").is_ok());
    }

    /// Set `FIREHOSE_README=write` to bring the manual's table up to date.
    #[test]
    fn the_manual_has_this_table() {
        use std::fmt::Write;
        let mut table =
            String::from("| option | also read from | default | what it does |\n| --- | --- | --- | --- |\n");
        for option in OPTIONS.iter().filter(|option| !option.name.starts_with("test.")) {
            let mut sources: Vec<String> = option.variables.iter().map(|name| format!("`{name}`")).collect();
            sources.extend(option.profile_key.map(|key| format!("profile `{key}`")));
            let default = option.default.map(|value| format!("`{value}`")).unwrap_or_default();
            writeln!(table, "| `{}` | {} | {default} | {} |", option.name, sources.join(", "), option.doc)
                .unwrap();
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
        let readme = std::fs::read_to_string(path).unwrap();
        let (before, rest) = readme.split_once("<!-- options -->\n").unwrap();
        let (_, after) = rest.split_once("<!-- /options -->").unwrap();
        let wanted = format!("{before}<!-- options -->\n{table}<!-- /options -->{after}");
        if std::env::var("FIREHOSE_README").is_ok_and(|mode| mode == "write") {
            std::fs::write(path, &wanted).unwrap();
        } else {
            assert!(
                readme == wanted,
                "the table of options in README.md is not current; FIREHOSE_README=write cargo test writes it"
            );
        }
    }
}
