//! Where the shared config and credentials files are, and which profile of them is used.

use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};

/// Reads one variable of the environment as it was when the client was made.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Who decided on a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChosenBy {
    /// An option that the caller gave; the name of the option.
    Option(&'static str),
    /// The environment; the name of the variable.
    Variable(&'static str),
    /// Nobody: it is the default.
    Default,
}

/// What the caller's own options say; they come before the environment. Empty is not set: with `None` beside it the
/// optimiser looks at the length before the pointer, which is sound, but which memcheck reports.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options<'a> {
    /// The option `config_file`.
    pub(crate) config_file: &'a str,
    /// The option `credentials_file`.
    pub(crate) credentials_file: &'a str,
    /// The option `profile`.
    pub(crate) profile: &'a str,
}

/// A setting and who decided on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice<T> {
    /// The setting.
    pub(crate) value: T,
    /// Who decided: a file or profile that somebody named and that is not there is worth a word, a default one is not.
    pub(crate) by: ChosenBy,
}

/// The files to read and the profile to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    /// The config file; `None` where nobody named one and there is no home directory.
    pub(crate) config: Option<Choice<PathBuf>>,
    /// The credentials file; `None` as for the config file.
    pub(crate) credentials: Option<Choice<PathBuf>>,
    /// The name of the profile.
    pub(crate) profile: Choice<String>,
}

/// Finds out which files are read and which profile is used: option, then environment, then default. What is empty is
/// not set. Nothing is opened.
pub(crate) fn locate(options: Options<'_>, environment: Environment<'_>) -> Result<Location> {
    let home = home(environment);
    let file = |option, option_name, variable, name| {
        let Some(Choice { value, by }) = choose(option, option_name, variable, environment) else {
            return Ok::<_, Error>(
                home.as_deref()
                    .map(|home| Choice { value: home.join(".aws").join(name), by: ChosenBy::Default }),
            );
        };
        let path = expand(&value, home.as_deref()).ok_or_else(|| {
            let named = match by {
                ChosenBy::Option(name) => format!("the option {name}"),
                ChosenBy::Variable(name) => format!("the environment variable {name}"),
                ChosenBy::Default => "the default".to_owned(),
            };
            let message = format!(
                "{named} is {value:?}, but there is no home directory: set HOME or give the whole path"
            );
            Error::new(Kind::InvalidArgument, message)
        })?;
        Ok(Some(Choice { value: path, by }))
    };
    Ok(Location {
        config: file(options.config_file, "config_file", "AWS_CONFIG_FILE", "config")?,
        credentials: file(
            options.credentials_file,
            "credentials_file",
            "AWS_SHARED_CREDENTIALS_FILE",
            "credentials",
        )?,
        profile: choose(options.profile, "profile", "AWS_PROFILE", environment)
            .unwrap_or_else(|| Choice { value: "default".to_owned(), by: ChosenBy::Default }),
    })
}

fn choose(
    option: &str,
    option_name: &'static str,
    variable: &'static str,
    environment: Environment<'_>,
) -> Option<Choice<String>> {
    if !option.is_empty() {
        return Some(Choice { value: option.to_owned(), by: ChosenBy::Option(option_name) });
    }
    Some(Choice { value: set(environment, variable)?, by: ChosenBy::Variable(variable) })
}

fn set(environment: Environment<'_>, variable: &str) -> Option<String> {
    environment(variable).filter(|value| !value.is_empty())
}

fn home(environment: Environment<'_>) -> Option<PathBuf> {
    let profile_of_windows = || {
        if !cfg!(windows) {
            return None;
        }
        set(environment, "USERPROFILE")
            .or_else(|| Some(set(environment, "HOMEDRIVE")? + &set(environment, "HOMEPATH")?))
    };
    set(environment, "HOME").or_else(profile_of_windows).map(PathBuf::from)
}

/// `None`: the path starts at the home directory, and there is none.
fn expand(path: &str, home: Option<&Path>) -> Option<PathBuf> {
    match path.strip_prefix('~') {
        Some("") => home.map(Path::to_owned),
        Some(rest) if rest.starts_with(std::path::is_separator) => {
            home.map(|home| home.join(rest.trim_start_matches(std::path::is_separator)))
        }
        _ => Some(PathBuf::from(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors;

    fn locate_in(options: Options<'_>, variables: &[(&str, &str)]) -> Result<Location> {
        locate(options, &|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn paths(location: &Location) -> (&str, &str) {
        fn path(choice: &Option<Choice<PathBuf>>) -> &str {
            choice.as_ref().unwrap().value.to_str().unwrap()
        }
        (path(&location.config), path(&location.credentials))
    }

    #[test]
    fn agrees_with_the_published_vectors() {
        let Some(vectors) = vectors::read("profile/file-location-tests.json") else { return };
        let platform = if cfg!(windows) { "windows" } else { "linux" };
        let mut ran = 0;
        for test in vectors["tests"].as_array().unwrap() {
            let name = &test["name"];
            if test["platform"] != platform {
                println!("not applicable on {platform}: {name}");
                continue;
            }
            let environment = test["environment"].as_object().unwrap();
            let location = locate(Options::default(), &|name| {
                environment.get(name).map(|v| v.as_str().unwrap().to_owned())
            })
            .unwrap();
            let expected = |key: &str| test[key].as_str().unwrap().to_owned();
            assert_eq!(location.config.unwrap().value, PathBuf::from(expected("configLocation")), "{name}");
            assert_eq!(
                location.credentials.unwrap().value,
                PathBuf::from(expected("credentialsLocation")),
                "{name}"
            );
            if let Some(profile) = test["profile"].as_str() {
                assert_eq!(location.profile.value, profile, "{name}");
            }
            ran += 1;
        }
        assert!(ran >= 4, "only {ran} vectors for {platform}");
    }

    #[test]
    fn option_comes_before_environment_before_default() {
        let options = Options { config_file: "/o/config", profile: "mine", ..Options::default() };
        let variables = [
            ("AWS_CONFIG_FILE", "/e/config"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/e/credentials"),
            ("AWS_PROFILE", "other"),
        ];
        let location = locate_in(options, &variables).unwrap();
        assert_eq!(
            location.config.unwrap(),
            Choice { value: "/o/config".into(), by: ChosenBy::Option("config_file") }
        );
        let by = ChosenBy::Variable("AWS_SHARED_CREDENTIALS_FILE");
        assert_eq!(location.credentials.unwrap(), Choice { value: "/e/credentials".into(), by });
        assert_eq!(location.profile, Choice { value: "mine".into(), by: ChosenBy::Option("profile") });
    }

    #[test]
    fn empty_is_not_set() {
        let options = Options { config_file: "", credentials_file: "", profile: "" };
        let variables = [
            ("AWS_CONFIG_FILE", ""),
            ("AWS_SHARED_CREDENTIALS_FILE", ""),
            ("AWS_PROFILE", ""),
            ("HOME", "/h"),
        ];
        let location = locate_in(options, &variables).unwrap();
        assert_eq!(paths(&location), ("/h/.aws/config", "/h/.aws/credentials"));
        assert_eq!(location.profile, Choice { value: "default".into(), by: ChosenBy::Default });
    }

    #[test]
    fn a_tilde_is_the_home_directory_only_at_the_start() {
        let options = Options { config_file: "~/c", credentials_file: "/a/~/c", profile: "" };
        assert_eq!(paths(&locate_in(options, &[("HOME", "/h/")]).unwrap()), ("/h/c", "/a/~/c"));
        let options = Options { config_file: "~other/c", credentials_file: "~", profile: "" };
        assert_eq!(paths(&locate_in(options, &[("HOME", "/h")]).unwrap()), ("~other/c", "/h"));
    }

    #[test]
    fn no_home_is_no_default_file_but_an_error_for_a_path_that_needs_it() {
        let location = locate_in(Options::default(), &[("HOME", "")]).unwrap();
        assert_eq!((location.config, location.credentials), (None, None));
        let error = locate_in(Options::default(), &[("AWS_CONFIG_FILE", "~/c")]).unwrap_err();
        assert!(error.message.contains("AWS_CONFIG_FILE") && error.message.contains("HOME"), "{error}");
    }
}
