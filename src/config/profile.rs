//! The shared config and credentials files, as every AWS tool reads them.
//!
//! One section is a header in brackets and the properties under it. The files are hostile ground: they hold secrets, are
//! written by hand and differ in how they name the same profile. So a value never appears in a message or in `Debug`, and
//! a line that cannot be understood is an error that names the file and the line instead of a guess.

use std::collections::BTreeMap;
use std::fmt;
use zeroize::Zeroizing;

use crate::error::{Error, Kind, Result};

/// More than this is no configuration file, but something else under its name.
pub(crate) const MAX_BYTES: usize = 4 << 20;

const BLANK: [char; 2] = [' ', '\t'];
const COMMENT: [char; 2] = ['#', ';'];

/// Which of the two files a property was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The config file, `~/.aws/config` unless said otherwise.
    Config,
    /// The credentials file, `~/.aws/credentials` unless said otherwise.
    Credentials,
}

struct Property {
    value: Zeroizing<String>,
    origin: Origin,
}

/// The properties under one header; those of a profile that stands in both files, or twice in one, are merged.
#[derive(Default)]
pub(crate) struct Section {
    properties: BTreeMap<String, Property>,
}

/// The section of a profile.
pub(crate) type Profile = Section;

impl Section {
    /// The value of `key`, which is in lower case; it may be empty. The lines of a continued value are joined by `\n`.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.properties.get(key).map(|property| property.value.as_str())
    }

    /// The file that `get(key)` comes from.
    pub(crate) fn origin(&self, key: &str) -> Option<Origin> {
        self.properties.get(key).map(|property| property.origin)
    }

    /// The value of the property `subkey` nested under `key`, as in `firehose =` with ` endpoint_url = …` on the next line.
    pub(crate) fn sub(&self, key: &str, subkey: &str) -> Option<&str> {
        // A value on the first line makes what follows its continuation, not nested properties.
        let nested = self.get(key)?.strip_prefix('\n')?;
        nested
            .lines()
            .rev()
            .filter_map(|line| split_property(line).ok())
            .find(|(name, _)| name.eq_ignore_ascii_case(subkey))
            .map(|(_, value)| value)
    }

    #[cfg(any(test, feature = "test-hooks"))]
    fn as_json(&self) -> serde_json::Value {
        let value = |property: &Property| serde_json::Value::from(property.value.as_str());
        self.properties.iter().map(|(key, property)| (key.clone(), value(property))).collect()
    }

    fn merge(&mut self, later: Section) {
        self.properties.extend(later.properties);
    }
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.properties.keys()).finish()
    }
}

/// What the config file and the credentials file say together.
#[derive(Debug, Default)]
pub(crate) struct ProfileSet {
    profiles: BTreeMap<String, Profile>,
    sso_sessions: BTreeMap<String, Section>,
    services: BTreeMap<String, Section>,
}

impl ProfileSet {
    /// Parses the two files, each given as its path, for messages, and its text. A property that stands in both is taken
    /// from the credentials file.
    pub(crate) fn parse(
        config: Option<(&str, &str)>,
        credentials: Option<(&str, &str)>,
    ) -> Result<ProfileSet> {
        let mut set = ProfileSet::default();
        for (origin, file) in [(Origin::Config, config), (Origin::Credentials, credentials)] {
            if let Some((path, text)) = file {
                set.add_file(origin, path, text)?;
            }
        }
        Ok(set)
    }

    /// The profile of that name.
    pub(crate) fn profile(&self, name: &str) -> Option<&Profile> {
        self.profiles.get(name)
    }

    /// The section `[sso-session NAME]` of the config file.
    pub(crate) fn sso_session(&self, name: &str) -> Option<&Section> {
        self.sso_sessions.get(name)
    }

    /// The section `[services NAME]` of the config file.
    pub(crate) fn services(&self, name: &str) -> Option<&Section> {
        self.services.get(name)
    }

    /// Everything that was understood, secrets and all: for tests.
    #[cfg(any(test, feature = "test-hooks"))]
    pub(crate) fn as_json(&self) -> serde_json::Value {
        let all = |sections: &BTreeMap<String, Section>| -> serde_json::Value {
            sections.iter().map(|(name, section)| (name.clone(), section.as_json())).collect()
        };
        serde_json::json!({ "profiles": all(&self.profiles), "sso_sessions": all(&self.sso_sessions) })
    }

    fn add_file(&mut self, origin: Origin, path: &str, text: &str) -> Result<()> {
        let sections = read_sections(path, text)?;
        let has_prefixed_default = sections.iter().any(|(header, _)| *header == Header::PrefixedDefault);
        for (header, lines) in sections {
            let (map, name) = match (header, origin) {
                (Header::Bare(name), Origin::Credentials) => (&mut self.profiles, name),
                (Header::Bare("default"), Origin::Config) if !has_prefixed_default => {
                    (&mut self.profiles, "default")
                }
                (Header::PrefixedDefault, Origin::Config) => (&mut self.profiles, "default"),
                (Header::Profile(name), Origin::Config) => (&mut self.profiles, name),
                (Header::SsoSession(name), Origin::Config) => (&mut self.sso_sessions, name),
                (Header::Services(name), Origin::Config) => (&mut self.services, name),
                _ => continue,
            };
            let properties = lines
                .into_iter()
                .filter(|(key, _)| is_name(key))
                .map(|(key, value)| (key, Property { value, origin }))
                .collect();
            map.entry(name.to_owned()).or_default().merge(Section { properties });
        }
        Ok(())
    }
}

#[derive(PartialEq)]
enum Header<'a> {
    Bare(&'a str),
    PrefixedDefault,
    Profile(&'a str),
    SsoSession(&'a str),
    Services(&'a str),
    /// Of another kind or with a name that is not allowed: skipped, but its lines must still be well formed.
    Other,
}

type Lines = Vec<(String, Zeroizing<String>)>;

fn read_sections<'a>(path: &str, text: &'a str) -> Result<Vec<(Header<'a>, Lines)>> {
    if text.len() > MAX_BYTES {
        let message = format!(
            "the configuration file {path} has more than the {MAX_BYTES} bytes that are read: is it the right file?"
        );
        return Err(Error::new(Kind::InvalidArgument, message));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut sections: Vec<(Header<'a>, Lines)> = Vec::new();
    let mut nested = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_end_matches('\r');
        let content = line.trim_matches(BLANK);
        // Python's reader skips an indented comment too; taking it for a continuation would spoil the value above it.
        if content.is_empty() || content.starts_with(COMMENT) {
            continue;
        }
        let wrong = |what: &str| {
            let message = format!(
                "the configuration file {path} cannot be understood: line {}: {what}; correct that line",
                index.saturating_add(1)
            );
            Error::new(Kind::InvalidArgument, message)
        };
        if line.starts_with('[') {
            sections.push((parse_header(line).map_err(wrong)?, Lines::new()));
        } else if line.starts_with(BLANK) {
            let (_, lines) = sections.last_mut().ok_or_else(|| {
                wrong("Expected a profile definition, '[profile NAME]', before an indented line")
            })?;
            let (_, value) = lines.last_mut().ok_or_else(|| {
                wrong("Expected a property definition, found continuation: an indented line continues the property above it")
            })?;
            if nested {
                split_property(content).map_err(|flaw| {
                    wrong(match flaw {
                        Flaw::NoEquals => "Expected an '=' sign defining a sub-property",
                        Flaw::NoName => "Sub-property did not have a name in front of its '='",
                    })
                })?;
            }
            value.push('\n');
            value.push_str(content);
        } else {
            let (_, lines) = sections.last_mut().ok_or_else(|| {
                wrong("Expected a profile definition, '[profile NAME]', before the first property")
            })?;
            let (key, value) = split_property(line).map_err(|flaw| {
                wrong(match flaw {
                    Flaw::NoEquals => "Expected an '=' sign defining a property",
                    Flaw::NoName => "Property did not have a name in front of its '='",
                })
            })?;
            nested = value.is_empty();
            lines.push((key.to_ascii_lowercase(), Zeroizing::new(value.to_owned())));
        }
    }
    Ok(sections)
}

fn parse_header(line: &str) -> std::result::Result<Header<'_>, &'static str> {
    let line = line.split(COMMENT).next().unwrap_or(line).trim_matches(BLANK);
    let inner = line
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .ok_or("Profile definition must end with ']'")?
        .trim_matches(BLANK);
    let (prefix, name) = match inner.split_once(BLANK) {
        Some((prefix, name)) => (prefix, name.trim_matches(BLANK)),
        None => ("", inner),
    };
    Ok(match prefix {
        _ if !is_name(name) => Header::Other,
        "" => Header::Bare(name),
        "profile" if name == "default" => Header::PrefixedDefault,
        "profile" => Header::Profile(name),
        "sso-session" => Header::SsoSession(name),
        "services" => Header::Services(name),
        _ => Header::Other,
    })
}

enum Flaw {
    NoEquals,
    NoName,
}

/// A comment ends a property's line only after a blank: `value#1` is a value.
fn split_property(line: &str) -> std::result::Result<(&str, &str), Flaw> {
    let comment = line
        .match_indices(COMMENT)
        .find(|(at, _)| line.get(..*at).is_some_and(|before| before.ends_with(char::is_whitespace)));
    let line = comment.and_then(|(at, _)| line.get(..at)).unwrap_or(line);
    let (key, value) = line.split_once('=').ok_or(Flaw::NoEquals)?;
    let key = key.trim_matches(BLANK);
    if key.is_empty() {
        return Err(Flaw::NoName);
    }
    Ok((key, value.trim_matches(BLANK)))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-/.%@:+".contains(&byte))
}

#[cfg(test)]
mod tests;
