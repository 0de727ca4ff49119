//! What a namespace needs of AWS: its metadata services, STS and SSO by their own names, and Firehose.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::authority::Authority;
use super::namespace::{AWS, FIREHOSE, METADATA, REGIONS, names};
use super::web::{Reply, Seen, Web};

/// The services, all of which answer as one function says.
pub(crate) struct Cloud {
    plain: Web,
    secure: Web,
    authority: Authority,
}

impl Cloud {
    pub(crate) fn start(answers: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Cloud {
        let authority = Authority::new();
        let names = names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let identity = authority.identity(&names);
        let answers = Arc::new(answers);
        let same = Arc::clone(&answers);
        let metadata =
            METADATA.map(|ip| if ip.contains(':') { format!("[{ip}]:80") } else { format!("{ip}:80") });
        let aws = format!("{AWS}:80");
        let plain: Vec<&str> = metadata.iter().chain([&aws]).map(String::as_str).collect();
        let plain = Web::on(&plain, None, move |seen| answers(seen));
        let secure = Web::on(&[&format!("{AWS}:443")], Some(identity.config()), move |seen| same(seen));
        Cloud { plain, secure, authority }
    }

    /// Everything that was asked so far, oldest first; it is forgotten.
    pub(crate) fn take(&self) -> Vec<Seen> {
        let mut seen = self.plain.take();
        seen.extend(self.secure.take());
        seen.sort_by_key(|seen| seen.at);
        seen
    }

    /// A file that lets these services be trusted, and `firehose`.
    pub(crate) fn bundle(&self, name: &str, firehose: &firehose_local::Server) -> PathBuf {
        let own = std::fs::read_to_string(firehose.ca_path().unwrap()).unwrap();
        self.authority.bundle(name, &own)
    }
}

/// Firehose under its names, with the stream `test`, for one set of keys.
pub(crate) fn firehose(region: &str, key: firehose_local::Key, clock_offset: i64) -> firehose_local::Server {
    let options = firehose_local::Options {
        tls_listen: Some(format!("{FIREHOSE}:443")),
        tls_names: REGIONS.map(|region| format!("firehose.{region}.amazonaws.com")).to_vec(),
        keys: vec![key],
        region: region.into(),
        streams: vec!["test".into()],
        clock_offset,
        ..firehose_local::Options::default()
    };
    firehose_local::Server::start(options).unwrap()
}

/// Keys with a token.
pub(crate) fn temporary(id: &str, secret: &str, token: &str) -> firehose_local::Key {
    firehose_local::Key { token: Some(token.into()), ..firehose_local::Key::new(id, secret) }
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// `2026-11-23T12:00:00Z`
pub(crate) fn iso(at: i64) -> String {
    let (days, second) = (at.div_euclid(86_400), at.rem_euclid(86_400));
    // Years begin in March here, so that the leap day is the last of one.
    let shifted = days + 719_468;
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}
