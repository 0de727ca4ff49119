//! What a client is told: options, environment, shared files; resolved once, with where each setting came from.

pub(crate) mod endpoint;
mod location;
pub(crate) mod options;
mod profile;
mod sources;

pub(crate) use options::Key;
pub(crate) use profile::{Profile, ProfileSet, Section};
pub(crate) use sources::{Setting, Sources};

use crate::error::Result;
use options::{OPTIONS, find};
use zeroize::Zeroizing;

/// The options that the caller set, checked one by one.
#[derive(Default)]
pub(crate) struct Config {
    values: Vec<(usize, Zeroizing<String>)>,
}

impl Config {
    /// Sets an option; an empty value unsets it.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let index = find(name)?;
        if !value.is_empty()
            && let Some(option) = OPTIONS.get(index)
        {
            option.check(value, &format!("the option {name}"))?;
        }
        self.values.retain(|(other, _)| *other != index);
        if !value.is_empty() {
            self.values.push((index, Zeroizing::new(value.to_owned())));
        }
        Ok(())
    }

    /// The options `producer.*` alone.
    pub(crate) fn of_producers(&self) -> Config {
        let of_producers =
            |index: usize| OPTIONS.get(index).is_some_and(|option| option.name.starts_with("producer."));
        Config { values: self.values.iter().filter(|(index, _)| of_producers(*index)).cloned().collect() }
    }

    /// What the caller set.
    pub(crate) fn get(&self, key: Key) -> Option<&str> {
        self.values.iter().find(|(index, _)| *index == key as usize).map(|(_, value)| value.as_str())
    }
}
