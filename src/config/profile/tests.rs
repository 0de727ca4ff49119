use std::time::{Duration, Instant};

use serde_json::json;

use super::{MAX_BYTES, Origin, ProfileSet};
use crate::error::Kind;
use crate::vectors;

fn config(text: &str) -> ProfileSet {
    ProfileSet::parse(Some(("config", text)), None).unwrap()
}

#[test]
fn agrees_with_the_published_vectors() {
    let Some(vectors) = vectors::read("profile/profile-parser-tests.json") else { return };
    let tests = vectors["tests"].as_array().unwrap();
    assert!(tests.len() >= 60, "only {} vectors", tests.len());
    for test in tests {
        let name = &test["name"];
        let file = |key: &str| test["input"][key].as_str();
        let parsed = ProfileSet::parse(
            file("configFile").map(|text| ("/home/u/.aws/config", text)),
            file("credentialsFile").map(|text| ("/home/u/.aws/credentials", text)),
        );
        match (test["output"]["errorContaining"].as_str(), parsed) {
            (Some(expected), Err(error)) => {
                assert!(error.message.contains(expected), "{name}: {}", error.message);
                assert!(
                    error.message.contains("/home/u/.aws/config") && error.message.contains("line "),
                    "{name}"
                );
                assert_eq!(error.kind, Kind::InvalidArgument, "{name}");
            }
            (None, Ok(set)) => {
                let expected = &test["output"]["config"];
                let sessions = expected.get("sso_sessions").cloned().unwrap_or_else(|| json!({}));
                let expected = json!({"profiles": expected["profiles"], "sso_sessions": sessions});
                assert_eq!(set.as_json(), expected, "{name}");
            }
            (expected, got) => panic!("{name}: expected error {expected:?}, got {got:?}"),
        }
    }
}

#[test]
fn a_property_knows_its_file() {
    let set = ProfileSet::parse(
        Some(("config", "[profile a]\nregion = eu-west-1\naws_access_key_id = OLD\n")),
        Some(("credentials", "[a]\naws_access_key_id = NEW\n")),
    )
    .unwrap();
    let profile = set.profile("a").unwrap();
    assert_eq!(profile.origin("region"), Some(Origin::Config));
    assert_eq!(profile.origin("aws_access_key_id"), Some(Origin::Credentials));
    assert_eq!(profile.get("aws_access_key_id"), Some("NEW"));
    assert_eq!(profile.origin("output"), None);
}

#[test]
fn services_have_nested_properties() {
    let set = config(
        "[profile a]\nservices = local\n[services local]\nFirehose =\n  endpoint_url = http://a # first\n  # Endpoint_URL = http://b\n  \
         Endpoint_URL = http://c # last\ns3 = x\n  endpoint_url = http://d\n",
    );
    let services = set.services(set.profile("a").unwrap().get("services").unwrap()).unwrap();
    assert_eq!(services.sub("firehose", "endpoint_url"), Some("http://c"));
    assert_eq!(services.sub("firehose", "region"), None);
    assert_eq!(services.sub("s3", "endpoint_url"), None, "the lines continue the value x");
    assert_eq!(services.sub("sts", "endpoint_url"), None);
}

#[test]
fn sessions_and_services_are_no_profiles_and_not_of_the_credentials_file() {
    let set = ProfileSet::parse(
        Some(("config", "[sso-session x]\na = 1\n[services x]\nb = 2\n")),
        Some(("credentials", "[sso-session y]\na = 1\n[services y]\nb = 2\n")),
    )
    .unwrap();
    assert!(set.profile("x").is_none() && set.profile("y").is_none());
    assert_eq!(set.sso_session("x").unwrap().get("a"), Some("1"));
    assert_eq!(set.services("x").unwrap().get("b"), Some("2"));
    assert!(set.sso_session("y").is_none() && set.services("y").is_none());
}

#[test]
fn an_indented_comment_is_a_comment() {
    let set = config("  # top\n[default]\nregion = us-east-1\n  # the old one: eu-west-1\n\t; and this\n");
    assert_eq!(set.profile("default").unwrap().get("region"), Some("us-east-1"));
}

#[test]
fn a_byte_order_mark_and_lone_carriage_returns_are_no_content() {
    let set = config("\u{feff}[default]\r\nregion = us-east-1\r\r\n\r\noutput = json\r");
    let profile = set.profile("default").unwrap();
    assert_eq!((profile.get("region"), profile.get("output")), (Some("us-east-1"), Some("json")));
}

#[test]
fn an_error_names_file_and_line_and_no_value() {
    let error =
        ProfileSet::parse(None, Some(("/x/credentials", "[default]\n\naws_secret_access_key: hunter2\n")))
            .unwrap_err();
    assert!(error.message.contains("/x/credentials"), "{error}");
    assert!(error.message.contains("line 3:"), "{error}");
    assert!(!error.message.contains("hunter2"), "{error}");
}

#[test]
fn debug_shows_no_value() {
    let set = config("[default]\naws_secret_access_key = hunter2\n");
    let shown = format!("{set:?} {:?}", set.profile("default"));
    assert!(shown.contains("aws_secret_access_key") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_file_that_is_no_configuration_is_refused_by_its_size() {
    let error = ProfileSet::parse(Some(("/var/log/x", &"#".repeat(MAX_BYTES + 1))), None).unwrap_err();
    assert!(error.message.contains("/var/log/x"), "{error}");
    config(&"#".repeat(MAX_BYTES));
}

#[test]
fn time_grows_with_the_size_alone() {
    const BYTES: usize = MAX_BYTES / 4;
    let shapes = [
        "[profile a]\n".to_owned() + &"k = v\n".repeat(BYTES / 8),
        "[profile a]\nk = v\n".to_owned() + &" continued\n".repeat(BYTES / 12),
        "[profile a]\nk =\n".to_owned() + &" s = v\n".repeat(BYTES / 8),
        "[profile a]\nk = v\n[default]\n".repeat(BYTES / 32),
        (0..BYTES / 32).map(|n| format!("[profile p{n}]\nk{n} = v\n")).collect(),
        "[default]\nk = ".to_owned() + &"#".repeat(BYTES / 2),
        "[default]\nk = ".to_owned() + &"=#;[] ".repeat(BYTES / 8),
        "[".repeat(BYTES),
    ];
    for shape in shapes {
        let start = Instant::now();
        let set = ProfileSet::parse(Some(("config", &shape)), None);
        if let Some(profile) = set.as_ref().ok().and_then(|set| set.profile("a")) {
            assert_eq!(profile.sub("k", "none"), None);
        }
        let took = start.elapsed();
        assert!(took < Duration::from_secs(20), "{took:?} for {:?}…", shape.get(..40));
    }
}

#[test]
fn garbage_never_panics() {
    let pieces = [
        "[",
        "]",
        "profile ",
        "default",
        "=",
        "\n",
        "\r",
        " ",
        "\t",
        "#",
        ";",
        "é",
        "\u{85}",
        "\0",
        "\u{feff}",
        "sso-session ",
    ];
    let mut state = 12345_u32;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..12 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            text.push_str(pieces[(state >> 24) as usize % pieces.len()]);
        }
        if let Err(error) = ProfileSet::parse(Some(("config", &text)), Some(("credentials", &text))) {
            assert!(error.message.contains("line "), "{text:?}: {error}");
        }
    }
}
