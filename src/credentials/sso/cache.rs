//! The token cache that the AWS CLI and every SDK share: a JSON file for each session.

use super::super::json::Document;
use super::super::token_file;
use super::Secret;
use crate::clock::Stamp;
use crate::sys::random::Random;
use sha1::{Digest, Sha1};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The file of the session or start URL `key`.
pub(super) fn path(home: &str, key: &str) -> PathBuf {
    let name: String = Sha1::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    Path::new(home).join(".aws/sso/cache").join(format!("{name}.json"))
}

/// A token and what renews it.
pub(super) struct Token {
    document: Document,
    access: Secret,
    /// Seconds since 1970.
    pub(super) expires_at: i64,
}

impl Token {
    /// Reads the file.
    pub(super) fn read(path: &Path) -> Result<Token, String> {
        let text = token_file::read(path)?;
        Token::parse(text.as_bytes())
            .map_err(|why| format!("the token cache {} is not good: {why}", path.display()))
    }

    /// Reads the file's text.
    pub(super) fn parse(text: &[u8]) -> Result<Token, String> {
        let document = Document::parse(text)?;
        let expires_at = document.date("expiresAt")?;
        let access = document.text("accessToken")?;
        if !access.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("accessToken has a blank, a control or a non-ASCII character".into());
        }
        let access = Secret::new(access.to_owned());
        Ok(Token { document, access, expires_at })
    }

    /// What goes into the header.
    pub(super) fn access(&self) -> &str {
        &self.access
    }

    /// The request that renews it, where it has what that needs.
    pub(super) fn renewal(&self, now: i64) -> Result<Secret, String> {
        let part = |name: &str| {
            self.document.text(name).map_err(|_| format!("the cache has no {name} to renew it with"))
        };
        let (id, secret, refresh) = (part("clientId")?, part("clientSecret")?, part("refreshToken")?);
        if let Ok(end) = self.document.date("registrationExpiresAt")
            && end <= now
        {
            return Err("the registration that would renew it has expired".into());
        }
        let mut document = Document::parse(b"{}")?;
        document.set("clientId", id);
        document.set("clientSecret", secret);
        document.set("grantType", "refresh_token");
        document.set("refreshToken", refresh);
        Ok(document.write())
    }

    /// The token after a renewal that was answered with `body`; what the cache has besides stays.
    pub(super) fn renewed(&self, body: &[u8], now: i64) -> Result<Token, String> {
        let answer = Document::parse(body)?;
        let seconds = answer.number("expiresIn")?;
        if !(1..=31_536_000).contains(&seconds) {
            return Err("expiresIn is not between a second and a year".into());
        }
        let mut document = Document::parse(self.document.write().as_bytes())?;
        document.set("accessToken", answer.text("accessToken")?);
        if let Some(refresh) = answer.optional("refreshToken")? {
            document.set("refreshToken", refresh);
        }
        document.set("expiresAt", &date(now + seconds));
        Token::parse(document.write().as_bytes())
    }

    /// Replaces the file in one step, readable by its owner alone.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let beside = path.with_extension(format!("{:016x}.tmp", Random::new().bits()));
        let outcome = (|| {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
            file.write_all(self.document.write().as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, path)
        })();
        if outcome.is_err() {
            // What is left of it holds a token.
            let _ = fs::remove_file(&beside);
        }
        outcome
    }
}

/// `2021-09-21T18:41:26Z`
fn date(seconds: i64) -> String {
    let stamp = Stamp::new(seconds);
    let part = |from: usize, to: usize| stamp.as_str().get(from..to).unwrap_or_default().to_owned();
    format!("{}-{}-{}T{}:{}:{}Z", part(0, 4), part(4, 6), part(6, 8), part(9, 11), part(11, 13), part(13, 15))
}

#[cfg(test)]
pub(in super::super) mod tests {
    use super::*;
    use serde_json::json;
    use std::os::unix::fs::PermissionsExt;

    pub(crate) const CACHE: &str = r#"{"startUrl":"https://x/start","region":"us-east-1","accessToken":"old",
        "expiresAt":"2021-09-21T18:41:26Z","clientId":"id","clientSecret":"hush","refreshToken":"again",
        "registrationExpiresAt":"2021-12-21T18:41:26Z","other":[1]}"#;
    pub(crate) const ANSWER: &str =
        r#"{"accessToken":"new","expiresIn":3600,"refreshToken":"next","tokenType":"Bearer"}"#;

    const NOW: i64 = 1_632_249_686;

    pub(crate) fn parse(text: &[u8]) -> Result<(), String> {
        Token::parse(text)?.renewal(NOW).map(drop)
    }

    pub(crate) fn renew(answer: &[u8]) -> Result<(), String> {
        Token::parse(CACHE.as_bytes()).unwrap().renewed(answer, NOW).map(drop)
    }

    #[test]
    fn the_file_is_the_one_that_others_use() {
        let file = path("/home", "https://ssotest.awsapps.com/start");
        assert_eq!(file, Path::new("/home/.aws/sso/cache/dace00cba5f8355ec9d274ceb2bcebdfbeed0e12.json"));
    }

    #[test]
    fn a_token_is_renewed_and_kept() {
        let token = Token::parse(CACHE.as_bytes()).unwrap();
        assert_eq!((token.access(), token.expires_at), ("old", NOW));
        let request: serde_json::Value = serde_json::from_str(&token.renewal(NOW).unwrap()).unwrap();
        let wanted =
            r#"{"clientId":"id","clientSecret":"hush","grantType":"refresh_token","refreshToken":"again"}"#;
        assert_eq!(request, serde_json::from_str::<serde_json::Value>(wanted).unwrap());
        let late = token.renewal(NOW + 100 * 86_400).unwrap_err();
        assert!(late.contains("registration") && !late.contains("hush"), "{late}");
        let renewed = token.renewed(ANSWER.as_bytes(), NOW).unwrap();
        assert_eq!((renewed.access(), renewed.expires_at), ("new", NOW + 3600));
        let dir = std::env::temp_dir().join(format!("firehose-sso-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let file = dir.join("token.json");
        fs::write(&file, CACHE).unwrap();
        renewed.write(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
        let read = Token::read(&file).unwrap();
        assert_eq!((read.access(), read.document.text("refreshToken")), ("new", Ok("next")));
        let kept: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(kept["other"], json!([1]));
        fs::remove_dir_all(&dir).unwrap();
        assert!(renewed.write(&file).is_err() && Token::read(&file).is_err());
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (text, words) in [
            ("{}", "expiresAt"),
            (r#"{"expiresAt":"2021-09-21T18:41:26UTC"}"#, "accessToken"),
            (r#"{"expiresAt":"2021-09-21T18:41:26Z","accessToken":"a\nb"}"#, "accessToken"),
            (r#"{"expiresAt":"2021-09-21T18:41:26Z","accessToken":"a"}"#, "clientId"),
        ] {
            assert!(parse(text.as_bytes()).unwrap_err().contains(words), "{text}");
        }
        for bad in
            ["{}", r#"{"accessToken":"a"}"#, r#"{"accessToken":"a","expiresIn":-1}"#, r#"{"expiresIn":9}"#]
        {
            assert!(renew(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
