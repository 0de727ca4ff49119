//! Where a setting may come from, in order: option, environment, profile, default.

use super::location::{self, ChosenBy, Location};
use super::options::{Definition, OPTIONS};
use super::profile::{Profile, ProfileSet};
use super::{Config, Key};
use crate::error::{Error, Kind, Result};
use std::io;
use std::path::Path;

/// A value and what gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Trimmed, not empty.
    pub(crate) value: String,
    /// `option`, `AWS_REGION`, `profile default in /home/me/.aws/config`, `default`.
    pub(crate) source: String,
}

/// Options, environment and shared files of one client.
pub(crate) struct Sources<'a> {
    config: &'a Config,
    environment: &'a dyn Fn(&str) -> Option<String>,
    /// Which files and profile are used.
    pub(crate) location: Location,
    profiles: ProfileSet,
    /// What is wrong with the shared files, where that matters only if nothing else gives keys.
    pub(crate) flaw: Option<Error>,
}

fn read(path: Option<&Path>) -> Result<Option<String>> {
    let Some(path) = path else { return Ok(None) };
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        // What is not there says nothing; a home that may not be looked into says nothing either.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => {
            let message = format!("cannot read {}: {error}", path.display());
            Err(Error::new(Kind::CredentialsFailed, message))
        }
    }
}

impl<'a> Sources<'a> {
    /// Reads the shared files. What is wrong with them is kept, not raised.
    pub(crate) fn open(
        config: &'a Config,
        environment: &'a dyn Fn(&str) -> Option<String>,
    ) -> Result<Sources<'a>> {
        let options = location::Options {
            config_file: config.get(Key::ConfigFile).unwrap_or_default(),
            credentials_file: config.get(Key::CredentialsFile).unwrap_or_default(),
            profile: config.get(Key::Profile).unwrap_or_default(),
        };
        let location = location::locate(options, environment)?;
        let mut sources =
            Sources { config, environment, location, profiles: ProfileSet::default(), flaw: None };
        match sources.load() {
            Ok(profiles) => sources.profiles = profiles,
            Err(error) => sources.flaw = Some(Error::new(Kind::CredentialsFailed, error.message)),
        }
        let name = &sources.location.profile;
        if sources.flaw.is_none()
            && name.by != ChosenBy::Default
            && sources.profiles.profile(&name.value).is_none()
        {
            let by = match name.by {
                ChosenBy::Option(name) => format!("the option {name}"),
                ChosenBy::Variable(name) => name.to_owned(),
                ChosenBy::Default => "default".into(),
            };
            let message = format!(
                "there is no profile {:?} (asked for by {by}) in {}; check its name and the files",
                name.value,
                sources.files()
            );
            sources.flaw = Some(Error::new(Kind::CredentialsFailed, message));
        }
        Ok(sources)
    }

    fn load(&self) -> Result<ProfileSet> {
        let config = self.location.config.as_ref().map(|choice| choice.value.as_path());
        let credentials = self.location.credentials.as_ref().map(|choice| choice.value.as_path());
        let (config_text, credentials_text) = (read(config)?, read(credentials)?);
        let name = |path: Option<&Path>| path.map(|path| path.display().to_string()).unwrap_or_default();
        let (config, credentials) = (name(config), name(credentials));
        ProfileSet::parse(
            config_text.as_deref().map(|text| (config.as_str(), text)),
            credentials_text.as_deref().map(|text| (credentials.as_str(), text)),
        )
    }

    /// Names the shared files, for a message.
    pub(crate) fn files(&self) -> String {
        let paths = [&self.location.config, &self.location.credentials];
        let paths: Vec<String> =
            paths.into_iter().flatten().map(|choice| choice.value.display().to_string()).collect();
        if paths.is_empty() { "the shared files (no HOME is set)".into() } else { paths.join(" or ") }
    }

    /// A variable of the environment; what is empty is not set.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        (self.environment)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// The profile in use.
    pub(crate) fn profile(&self) -> Option<&Profile> {
        self.profiles.profile(&self.location.profile.value)
    }

    /// All of the shared files.
    pub(crate) fn profiles(&self) -> &ProfileSet {
        &self.profiles
    }

    /// The endpoint that somebody chose for another service than Firehose: `variable`, the one for all services, the
    /// profile's `services` section under `id`, its endpoint for all.
    pub(crate) fn service_endpoint(&self, variable: &str, id: &str) -> Option<Setting> {
        let yes = |value: Option<&str>| value.and_then(super::options::flag) == Some(true);
        if yes(self.variable("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").as_deref()) {
            return None;
        }
        let chosen = |name: &str| Some(Setting { value: self.variable(name)?, source: name.into() });
        chosen(variable).or_else(|| chosen("AWS_ENDPOINT_URL")).or_else(|| {
            let profile = self.profile()?;
            let services = profile.get("services").and_then(|name| self.profiles.services(name));
            let value = services.and_then(|section| section.sub(id, "endpoint_url"));
            let value = value.or_else(|| profile.get("endpoint_url")).map(str::trim)?;
            let ignored = yes(profile.get("ignore_configured_endpoint_urls"));
            (!value.is_empty() && !ignored)
                .then(|| Setting { value: value.into(), source: self.profile_source() })
        })
    }

    /// `profile default in …`
    pub(crate) fn profile_source(&self) -> String {
        format!("profile {} in {}", self.location.profile.value, self.files())
    }

    fn of_profile(&self, key: Key, profile_key: &str) -> Option<Setting> {
        let profile = self.profile()?;
        let in_services = (key == Key::Endpoint).then(|| {
            let services = self.profiles.services(profile.get("services")?)?;
            services.sub("firehose", "endpoint_url")
        });
        let value = in_services.flatten().or_else(|| profile.get(profile_key))?.trim();
        let ignored = key == Key::Endpoint
            && profile.get("ignore_configured_endpoint_urls").and_then(super::options::flag) == Some(true);
        (!value.is_empty() && !ignored)
            .then(|| Setting { value: value.into(), source: self.profile_source() })
    }

    /// The setting of an option from its first source, checked. The environment's and the profile's endpoint are
    /// passed over where `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS` says so.
    pub(crate) fn setting(&self, key: Key) -> Result<Option<Setting>> {
        let Some(option) = OPTIONS.get(key as usize) else { return Ok(None) };
        if let Some(value) = self.config.get(key) {
            return Ok(Some(Setting { value: value.trim().into(), source: "option".into() }));
        }
        let ignored = key == Key::Endpoint
            && self.variable("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").as_deref().and_then(super::options::flag)
                == Some(true);
        if !ignored {
            if let Some(found) = self.of_environment(option)? {
                return Ok(Some(found));
            }
            if let Some(found) = option.profile_key.and_then(|profile_key| self.of_profile(key, profile_key))
            {
                let from = format!("{} of {}", option.profile_key.unwrap_or_default(), found.source);
                option.check(&found.value, &from)?;
                return Ok(Some(found));
            }
        }
        Ok(option.default.map(|value| Setting { value: value.into(), source: "default".into() }))
    }

    fn of_environment(&self, option: &Definition) -> Result<Option<Setting>> {
        for name in option.variables {
            if let Some(value) = self.variable(name) {
                option.check(&value, &format!("the variable {name}"))?;
                return Ok(Some(Setting { value, source: (*name).into() }));
            }
        }
        Ok(None)
    }
}
