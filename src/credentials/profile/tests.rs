use super::*;
use crate::vectors;
use serde_json::{Map, Value, json};
use std::fmt::Write;

fn files(profiles: &Value, sessions: Option<&Value>) -> ProfileSet {
    let mut text = String::new();
    for (kind, sections) in [("profile", Some(profiles)), ("sso-session", sessions)] {
        for (name, keys) in sections.and_then(Value::as_object).into_iter().flatten() {
            writeln!(text, "[{kind} {name}]").unwrap();
            for (key, value) in keys.as_object().unwrap() {
                writeln!(text, "{key} = {}", value.as_str().unwrap()).unwrap();
            }
        }
    }
    ProfileSet::parse(Some(("config", &text)), None).unwrap()
}

fn object(members: &[(&str, Option<&str>)]) -> Value {
    members
        .iter()
        .filter_map(|(name, value)| Some(((*name).to_owned(), json!((*value)?))))
        .collect::<Map<_, _>>()
        .into()
}

fn role_json(role: &Role, token_file: Option<&str>) -> Value {
    object(&[
        ("role_arn", Some(&role.arn)),
        ("role_session_name", role.session_name.as_deref()),
        ("external_id", role.external_id.as_deref()),
        ("web_identity_token_file", token_file),
    ])
}

fn plan_json(plan: &Plan, account: Option<&str>) -> Value {
    let base = match &plan.base {
        Base::Keys { id, secret, .. } => {
            let keys = [
                ("access_key_id", Some(id.as_str())),
                ("secret_access_key", Some(secret)),
                ("account_id", account),
            ];
            json!({ "AccessKey": object(&keys) })
        }
        Base::Named(named) => json!({ "NamedSource": match named {
            Named::Environment => "Environment",
            Named::Metadata => "Ec2InstanceMetadata",
            Named::Container => "EcsContainer",
        } }),
        Base::WebIdentity { role, token_file } => {
            json!({ "WebIdentityToken": role_json(role, Some(token_file)) })
        }
        Base::Sso(sso) => json!({ "Sso": object(&[
            ("sso_account_id", sso.account_and_role.as_ref().map(|(account, _)| account.as_str())),
            ("sso_role_name", sso.account_and_role.as_ref().map(|(_, role)| role.as_str())),
            ("sso_region", Some(&sso.region)),
            ("sso_start_url", Some(&sso.start_url)),
            ("sso_session", sso.session.as_deref()),
        ]) }),
        Base::Process { command, .. } => json!({ "CredentialProcess": command.as_str() }),
    };
    let roles = plan.roles.iter().map(|role| json!({ "AssumeRole": role_json(role, None) }));
    std::iter::once(base).chain(roles).collect()
}

#[test]
fn agrees_with_the_published_vectors() {
    let Some(vectors) = vectors::read("profile/assume-role-tests.json") else { return };
    let tests = vectors.as_array().unwrap();
    assert!(tests.len() >= 25, "only {} vectors", tests.len());
    for test in tests {
        let docs = &test["docs"];
        let input = &test["input"];
        let set = files(&input["profiles"], input.get("sso_sessions"));
        let outcome = resolve(&set, input["selected_profile"].as_str().unwrap());
        match (test["output"]["Error"].as_str(), outcome) {
            (Some(expected), Err(Nothing(why) | Wrong(why))) => {
                assert!(why.contains(expected), "{docs}: {why}")
            }
            (None, Ok(plan)) => {
                let expected = &test["output"]["ProfileChain"];
                // The library has no use for account numbers.
                let account = expected[0]["AccessKey"]["account_id"].as_str();
                assert_eq!(plan_json(&plan, account), *expected, "{docs}");
            }
            (expected, got) => panic!("{docs}: expected error {expected:?}, got {got:?}"),
        }
    }
}

fn lack(text: &str) -> String {
    match resolve(&ProfileSet::parse(Some(("config", text)), None).unwrap(), "a") {
        Err(Wrong(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_cannot_be_done_says_what_to_do() {
    let why = lack("[profile a]\nrole_arn = r\nsource_profile = b\nmfa_serial = m\n[profile b]\n");
    assert!(why.contains("aws configure export-credentials --profile a"), "{why}");
    let why = lack("[profile a]\nlogin_session = arn\n");
    assert!(why.contains("aws configure export-credentials --profile a"), "{why}");
    for duration in ["12h", "899", "43201", "-900"] {
        let why = lack(&format!("[profile a]\nrole_arn=r\nsource_profile=a\nduration_seconds={duration}\n"));
        assert!(why.contains("900 to 43200"), "{why}");
    }
    assert!(lack("[profile a]\nrole_arn=r\ncredential_source=Moon\n").contains("Ec2InstanceMetadata"));
}

#[test]
fn one_profile_may_repeat_what_its_session_says() {
    let text = "[profile a]\nsso_session=s\nsso_region=r\nsso_start_url=u\nsso_account_id=1\nsso_role_name=n\n\
                [sso-session s]\nsso_region=r\nsso_start_url=u\n";
    let set = ProfileSet::parse(Some(("config", text)), None).unwrap();
    let Base::Sso(sso) = resolve(&set, "a").unwrap().base else { panic!() };
    assert_eq!(sso.account_and_role, Some(("1".into(), "n".into())));
    assert!(lack(&text.replacen("=r\n", "=other\n", 1)).contains("sso_region"));
}
