//! Where a setting may come from, in order: option, environment, profile, default.

use super::location::{self, Choice, ChosenBy, Location};
use super::options::{Definition, OPTIONS};
use super::profile::{MAX_BYTES, Origin, Profile, ProfileSet, Section};
use super::{Config, Key};
use crate::error::{Error, Kind, Result};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

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

fn read(path: Option<&Path>) -> Result<Option<Zeroizing<String>>> {
    let Some(path) = path else { return Ok(None) };
    // One byte more than is taken, so that what is longer is refused, however much there is of it.
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let read = |file: File| {
        let size = file.metadata().map_or(0, |metadata| metadata.len().min(most));
        let mut text = Zeroizing::new(String::with_capacity(usize::try_from(size).unwrap_or(0)));
        file.take(most).read_to_string(&mut text).map(|_| text)
    };
    match File::open(path).and_then(read) {
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
            config_text.as_ref().map(|text| (config.as_str(), text.as_str())),
            credentials_text.as_ref().map(|text| (credentials.as_str(), text.as_str())),
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
        let value = Zeroizing::new((self.environment)(name)?);
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// What the caller's own option says.
    pub(crate) fn option(&self, key: Key) -> Option<&str> {
        self.config.get(key).map(str::trim)
    }

    /// The files and the profile in use, each with who decided on it.
    pub(crate) fn places(&self) -> Vec<(&'static str, Setting)> {
        let source = |by| match by {
            ChosenBy::Option(_) => "option",
            ChosenBy::Variable(name) => name,
            ChosenBy::Default => "default",
        };
        let file = |choice: &Option<Choice<PathBuf>>| match choice {
            Some(Choice { value, by }) => {
                Setting { value: value.display().to_string(), source: source(*by).into() }
            }
            None => Setting { value: "none, since HOME is not set".into(), source: "default".into() },
        };
        let Choice { value, by } = &self.location.profile;
        let profile = Setting { value: value.clone(), source: source(*by).into() };
        let files =
            [("config_file", &self.location.config), ("credentials_file", &self.location.credentials)];
        let files = files.into_iter().map(|(name, choice)| (name, file(choice)));
        std::iter::once(("profile", profile)).chain(files).collect()
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
    pub(crate) fn service_endpoint(&self, variable: &str, id: &str) -> Result<Option<Setting>> {
        if self.ignores_endpoints()? {
            return Ok(None);
        }
        let chosen = |name: &str| Some(Setting { value: self.variable(name)?, source: name.into() });
        match chosen(variable).or_else(|| chosen("AWS_ENDPOINT_URL")) {
            Some(chosen) => Ok(Some(chosen)),
            None => self.endpoint_of_profile(id),
        }
    }

    /// `profile default in …`
    pub(crate) fn profile_source(&self) -> String {
        format!("profile {} in {}", self.location.profile.value, self.files())
    }

    /// The same with the one file that has the property.
    fn source_of(&self, profile: &Profile, key: &str) -> String {
        let file = match profile.origin(key) {
            Some(Origin::Config) => self.location.config.as_ref(),
            Some(Origin::Credentials) => self.location.credentials.as_ref(),
            None => None,
        };
        match file {
            Some(file) => format!("profile {} in {}", self.location.profile.value, file.value.display()),
            None => self.profile_source(),
        }
    }

    /// Whether endpoints of the environment and of the profile are passed over: the variable decides, then the profile.
    fn ignores_endpoints(&self) -> Result<bool> {
        const NAME: &str = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";
        const KEY: &str = "ignore_configured_endpoint_urls";
        let of_profile = || {
            let profile = self.profile()?;
            let value = profile.get(KEY)?.trim();
            (!value.is_empty())
                .then(|| (value.to_owned(), format!("{KEY} of {}", self.source_of(profile, KEY))))
        };
        let variable = self.variable(NAME).map(|value| (value, format!("the variable {NAME}")));
        let Some((value, from)) = variable.or_else(of_profile) else { return Ok(false) };
        super::options::flag(&value)
            .ok_or_else(|| Error::invalid(format!("{from} is {value:?}; allowed: true or false")))
    }

    /// What the profile's `services` section says of the service `id`, else the profile's endpoint for all.
    fn endpoint_of_profile(&self, id: &str) -> Result<Option<Setting>> {
        const KEY: &str = "endpoint_url";
        let Some(profile) = self.profile() else { return Ok(None) };
        let services = match profile.get("services").map(str::trim).filter(|name| !name.is_empty()) {
            None => None,
            Some(name) => Some((name, self.services(profile, name)?)),
        };
        let own = services.and_then(|(name, section)| {
            let source = format!("[services {name}] for {}", self.source_of(profile, "services"));
            Some((section.sub(id, KEY)?, source))
        });
        let found = own.or_else(|| Some((profile.get(KEY)?, self.source_of(profile, KEY))));
        let setting = |(value, source): (&str, String)| Setting { value: value.trim().into(), source };
        Ok(found.map(setting).filter(|setting| !setting.value.is_empty()))
    }

    fn services(&self, profile: &Profile, name: &str) -> Result<&Section> {
        self.profiles.services(name).ok_or_else(|| {
            let from = self.source_of(profile, "services");
            Error::invalid(format!("there is no section [services {name}], which {from} refers to"))
        })
    }

    fn of_profile(&self, key: Key, profile_key: &str) -> Result<Option<Setting>> {
        if key == Key::Endpoint {
            return self.endpoint_of_profile("firehose");
        }
        let Some(profile) = self.profile() else { return Ok(None) };
        let value = profile.get(profile_key).map(str::trim).filter(|value| !value.is_empty());
        Ok(value.map(|value| Setting { value: value.into(), source: self.source_of(profile, profile_key) }))
    }

    /// The setting of an option from its first source, checked. The environment's and the profile's endpoint are
    /// passed over where somebody asks for that.
    pub(crate) fn setting(&self, key: Key) -> Result<Option<Setting>> {
        let Some(option) = OPTIONS.get(key as usize) else { return Ok(None) };
        if let Some(value) = self.config.get(key) {
            return Ok(Some(Setting { value: value.trim().into(), source: "option".into() }));
        }
        if key != Key::Endpoint || !self.ignores_endpoints()? {
            if let Some(found) = self.of_environment(option)? {
                return Ok(Some(found));
            }
            let of_profile = option.profile_key.map(|profile_key| self.of_profile(key, profile_key));
            if let Some(found) = of_profile.transpose()?.flatten() {
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
