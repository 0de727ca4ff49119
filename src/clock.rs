//! Calendar arithmetic for the two date formats that the protocol knows, and the clock as the library sees it.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Where the time comes from. One reading gives both clocks, so that a call takes them once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    /// Added to the machine's wall clock, in milliseconds; 0 but in tests of clock skew.
    pub(crate) offset_ms: i64,
}

impl Clock {
    /// Milliseconds since 1970, as this machine believes.
    pub(crate) fn wall_ms(self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        i64::try_from(now).unwrap_or(i64::MAX).saturating_add(self.offset_ms)
    }

    /// The clock that never jumps.
    pub(crate) fn monotonic(self) -> Instant {
        Instant::now()
    }
}

/// Days since 1970-01-01 to year, month and day (proleptic Gregorian; H. Hinnant's `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

/// Year, month and day to days since 1970-01-01.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let y = year - i64::from(month <= 2);
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let mp = if month > 2 { month - 3 } else { month + 9 };
    let doy = (153 * mp + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

/// `20150830T123600Z`, the form in which a signature and a request's time to live name an instant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp([u8; 16]);

impl Stamp {
    /// The stamp of `seconds` since 1970; years are cut to 0000-9999.
    pub(crate) fn new(seconds: i64) -> Stamp {
        let seconds = seconds.clamp(0, 253_402_300_799);
        let (year, month, day) = civil(seconds.div_euclid(86_400));
        let rest = seconds.rem_euclid(86_400);
        let mut stamp = *b"00000000T000000Z";
        let two = |out: &mut [u8], value: i64| {
            for (digit, weight) in out.iter_mut().zip([10, 1]) {
                *digit = b'0' + u8::try_from(value / weight % 10).unwrap_or_default();
            }
        };
        let parts = [
            (0, year / 100),
            (2, year % 100),
            (4, month),
            (6, day),
            (9, rest / 3600),
            (11, rest / 60 % 60),
            (13, rest % 60),
        ];
        for (at, value) in parts {
            if let Some(out) = stamp.get_mut(at..at + 2) {
                two(out, value);
            }
        }
        Stamp(stamp)
    }

    /// The whole stamp.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The day alone: `20150830`.
    pub(crate) fn day(&self) -> &str {
        self.as_str().get(..8).unwrap_or_default()
    }
}

/// A `Date` header of the preferred form (RFC 9110, 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`) to seconds since 1970.
pub(crate) fn parse_http_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, rest) = text.trim().split_once(", ")?;
    let mut parts = rest.split(' ');
    let day: i64 = number(parts.next()?, 2)?;
    let name = parts.next()?;
    let month = i64::try_from(MONTHS.iter().position(|m| *m == name)?).ok()? + 1;
    let year = number(parts.next()?, 4)?;
    let mut time = parts.next()?.split(':');
    let (hour, minute, second) =
        (number(time.next()?, 2)?, number(time.next()?, 2)?, number(time.next()?, 2)?);
    let good = parts.next()? == "GMT" && parts.next().is_none() && time.next().is_none();
    instant(good, [year, month, day, hour, minute, second])
}

/// A date as JSON and XML carry it (RFC 3339: `2021-09-21T18:41:26Z`, with a fraction of a second or an offset as one
/// likes; `UTC` for `Z`, as old token caches have it) to seconds since 1970; the fraction is cut off.
pub(crate) fn parse_rfc3339(text: &str) -> Option<i64> {
    let text = text.trim();
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let mut date = date.split('-');
    let (year, month, day) = (number(date.next()?, 4)?, number(date.next()?, 2)?, number(date.next()?, 2)?);
    let zone = time.find(['Z', 'z', 'U', '+', '-'])?;
    let (time, zone) = time.split_at_checked(zone)?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut time = time.split(':');
    let (hour, minute, second) =
        (number(time.next()?, 2)?, number(time.next()?, 2)?, number(time.next()?, 2)?);
    let offset = match zone {
        "Z" | "z" | "UTC" => 0,
        zone => {
            let (sign, rest) = zone.split_at_checked(1)?;
            let (hours, minutes) = rest.split_once(':').or_else(|| rest.split_at_checked(2))?;
            let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
            let minutes = (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)?;
            if sign == "-" { -minutes * 60 } else { minutes * 60 }
        }
    };
    let good = date.next().is_none()
        && time.next().is_none()
        && (1..=9).contains(&fraction.len())
        && fraction.bytes().all(|b| b.is_ascii_digit());
    instant(good, [year, month, day, hour, minute, second]).map(|seconds| seconds - offset)
}

/// Digits only, exactly `length` of them.
fn number(text: &str, length: usize) -> Option<i64> {
    if text.len() != length || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn instant(good: bool, [year, month, day, hour, minute, second]: [i64; 6]) -> Option<i64> {
    let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    let length = || days(next.0, next.1, 1) - days(year, month, 1);
    let in_range = (1..=12).contains(&month)
        && (1..=length()).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    (good && in_range).then(|| days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_and_dates_agree_with_the_calendar() {
        assert_eq!(Stamp::new(0).as_str(), "19700101T000000Z");
        assert_eq!(Stamp::new(1_440_938_160).as_str(), "20150830T123600Z");
        assert_eq!(Stamp::new(951_782_399).as_str(), "20000228T235959Z");
        assert_eq!(Stamp::new(951_782_400).day(), "20000229");
        assert_eq!(Stamp::new(4_107_542_399).as_str(), "21000228T235959Z");
        assert_eq!(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(parse_rfc3339("2000-02-29T00:00:00Z"), Some(951_782_400));
        assert_eq!(parse_rfc3339("1999-12-31T23:59:60Z"), Some(946_684_800));
        assert_eq!(parse_http_date("Thu, 01 Jan 2026 00:05:01 GMT"), Some(1_767_225_901));
    }

    #[test]
    fn every_day_survives_the_round_trip() {
        for day in -800_000..800_000 {
            let (y, m, d) = civil(day);
            assert_eq!(days(y, m, d), day);
        }
    }

    #[test]
    fn dates_of_json_and_xml() {
        for text in [
            "2021-09-21T18:41:26Z",
            "2021-09-21T18:41:26UTC",
            "2021-09-21T18:41:26.999Z",
            "2021-09-21T18:41:26+00:00",
            "2021-09-21T20:41:26+0200",
            " 2021-09-21t13:11:26-05:30 ",
        ] {
            assert_eq!(parse_rfc3339(text), Some(1_632_249_686), "{text}");
        }
        for bad in [
            "",
            "2021-09-21",
            "2021-09-21T18:41:26",
            "2021-13-21T18:41:26Z",
            "2021-02-29T18:41:26Z",
            "2021-09-31T18:41:26Z",
            "2021-09-21T18:41:26+24:00",
            "2021-09-21T18:41Z",
            "2021-09-21T18:41:26.Z",
            "2021-09-21T18:41:26+2:00",
            "2021-09-21T18:41:26Zulu",
            "21-09-2021T18:41:26Z",
            "2021-09-21T18:41:26é",
        ] {
            assert_eq!(parse_rfc3339(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for bad in [
            "",
            "yesterday",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 PST",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nop 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 25:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT x",
            "Sun, +6 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(parse_http_date(bad), None, "{bad}");
        }
    }
}
