//! Answers and files that somebody has spoilt: each is an error or another good one, never a panic, never slow, and no
//! message repeats a secret.

use super::{container, profile, sso, sts};
use crate::config::ProfileSet;
use std::time::{Duration, Instant};

const COUNT: u64 = 1000;

/// A small generator (xorshift), so that a failure can be repeated.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }
}

const PIECES: [&[u8]; 12] = [
    b"",
    b"<",
    b">",
    b"\"",
    b"{",
    b"null",
    b"-1",
    b"99999999999999999999",
    b"2021-99-99T99:99:99Z",
    b"\xff\xfe",
    b"\0\r\n",
    b"&#x110000;",
];

fn spoil(good: &str, seed: u64) -> Vec<u8> {
    let mut random = Seeded(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut bytes = good.as_bytes().to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        let end = (at + random.below(12)).min(bytes.len());
        match random.below(6) {
            0 => bytes.truncate(at),
            1 => bytes[at..].fill(b'['),
            2 => drop(bytes.splice(at..end, std::iter::repeat_n(b'a', 100_000))),
            3 => {
                let copy = bytes[at..].to_vec();
                bytes.extend(copy);
            }
            _ => drop(bytes.splice(at..end, PIECES[random.below(PIECES.len())].iter().copied())),
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

/// Reads `COUNT` spoilt forms of `good`; gives how many were refused.
fn refused(good: &str, read: impl Fn(&[u8]) -> Result<(), String>) -> usize {
    let begun = Instant::now();
    let mut count = 0;
    for seed in 1..=COUNT {
        let spoilt = spoil(good, seed);
        if let Err(why) = read(&spoilt) {
            assert!(!why.contains("hush") && why.len() < 1000, "seed {seed}: {why}");
            count += 1;
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    count
}

#[test]
fn answers() {
    let keys = |result: Result<super::Credentials, String>| {
        result.map(|keys| {
            assert!(!keys.access_key_id.is_empty() && !keys.secret.is_empty() && keys.token.is_some())
        })
    };
    // Some spoil only what nobody reads.
    let most = usize::try_from(COUNT / 2).unwrap();
    assert!(refused(sts::tests::GOOD, |body| keys(sts::tests::read_answer(body))) > most);
    assert!(refused(container::tests::GOOD, |body| keys(container::read(body))) > most);
    assert!(refused(sso::tests::GOOD, |body| keys(sso::tests::read_answer(body))) > most);
    assert!(refused(sso::tests::CACHE, sso::tests::parse_cache) > most);
    assert!(refused(sso::tests::ANSWER, sso::tests::renew) > most);
}

#[test]
fn files() {
    let good = "[profile a]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = b\nduration_seconds = 900\n\
                [profile b]\nsso_session = s\nsso_account_id = 1\nsso_role_name = n\n\
                [sso-session s]\nsso_region = us-east-1\nsso_start_url = https://x\n\
                [profile c]\naws_access_key_id = AKIDC\naws_secret_access_key = hush\n";
    let read = |text: &[u8]| {
        let text = String::from_utf8_lossy(text);
        let set = ProfileSet::parse(Some(("config", &text)), None).map_err(|error| error.message)?;
        for name in ["a", "b", "c"] {
            profile::resolve(&set, name).map(drop).map_err(|lack| match lack {
                profile::Lack::Nothing(why) | profile::Lack::Wrong(why) => {
                    why.chars().take(900).collect::<String>()
                }
            })?;
        }
        Ok(())
    };
    assert!(read(good.as_bytes()).is_ok());
    assert!(refused(good, read) > 300);
}
