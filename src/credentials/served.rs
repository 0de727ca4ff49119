//! The sources against a server on this machine that says what it is told to.

use super::*;
use crate::clock::Clock;
use crate::config::Setting;
use crate::http::{Proxies, Resolver, Roots, Tls};
use crate::retry::Skew;
use crate::sys::random::Random;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use ureq_proto::http::HeaderValue;

type Asked = Arc<Mutex<Vec<String>>>;

/// Answers one request after the other with what `answers` has, `status body`, and notes head and body of each.
fn serve(answers: Vec<String>) -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = format!("http://{}", listener.local_addr().unwrap());
    let asked = Asked::default();
    let noted = Arc::clone(&asked);
    std::thread::spawn(move || {
        for answer in answers {
            let mut reader = BufReader::new(listener.accept().unwrap().0);
            let mut request = String::new();
            while !request.ends_with("\r\n\r\n") && reader.read_line(&mut request).unwrap() > 0 {}
            let lower = request.to_ascii_lowercase();
            let length = lower
                .split_once("content-length: ")
                .map_or(0, |(_, rest)| rest.lines().next().unwrap().trim().parse::<usize>().unwrap());
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            request.push_str(&String::from_utf8(body).unwrap());
            noted.lock().unwrap().push(request);
            let (status, body) = answer.split_once(' ').unwrap();
            let text = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            reader.get_mut().write_all(text.as_bytes()).unwrap();
        }
    });
    (place, asked)
}

fn network() -> Arc<Network> {
    Arc::new(Network {
        resolver: Arc::new(Resolver::new()),
        tls: Arc::new(Tls::new(Roots::System(None))),
        proxies: Proxies::default(),
        skew: Arc::new(Skew::new()),
        correct_skew: true,
        random: Random::new(),
        user_agent: HeaderValue::from_static("test"),
        log: Arc::default(),
        clock: Clock::default(),
    })
}

fn fetch(provider: &dyn Provider) -> Result<Credentials> {
    let deadline = Instant::now() + Duration::from_secs(20);
    provider.fetch(&Moment { now: &|| 1_632_000_000, random: 0.5, deadline, region: "us-east-2" })
}

fn imds(place: &str, more: &[(&str, &str)]) -> imds::FromImds {
    let mut variables: HashMap<&str, &str> = more.iter().copied().collect();
    variables.insert("AWS_EC2_METADATA_SERVICE_ENDPOINT", place);
    let metadata = Metadata::find(&|name| variables.get(name).map(|v| (*v).to_owned()), &|_| None).unwrap();
    imds::FromImds { imds: Arc::new(Imds::new(network(), metadata)), asked: Some(vec!["before".into()]) }
}

fn good() -> String {
    format!("200 {}", container::tests::GOOD)
}

#[test]
fn metadata_is_asked_with_a_token_that_is_kept() {
    let answers = [
        "200 token==",
        "200 my-role",
        &good(),
        "401 ",
        "200 second",
        "200 my-role",
        &good(),
        "200 eu-west-1\n",
    ];
    let (place, asked) = serve(answers.map(str::to_owned).to_vec());
    let source = imds(&place, &[]);
    assert_eq!(fetch(&source).unwrap().access_key_id, "ASIAC");
    assert_eq!(fetch(&source).unwrap().access_key_id, "ASIAC");
    let deadline = Instant::now() + Duration::from_secs(5);
    assert_eq!(source.imds.region(deadline).unwrap(), "eu-west-1");
    let asked = asked.lock().unwrap();
    let first: Vec<&str> = asked.iter().map(|request| request.split(" HTTP").next().unwrap()).collect();
    let roles = "GET /latest/meta-data/iam/security-credentials/";
    let token = "PUT /latest/api/token";
    let role = format!("{roles}my-role");
    let region = "GET /latest/meta-data/placement/region";
    assert_eq!(first, [token, roles, &role, roles, token, roles, &role, region]);
    assert!(asked[0].contains("x-aws-ec2-metadata-token-ttl-seconds: 21600"), "{}", asked[0]);
    assert!(asked[2].contains("x-aws-ec2-metadata-token: token=="), "{}", asked[2]);
    assert!(asked[6].contains("x-aws-ec2-metadata-token: second"), "{}", asked[6]);
}

#[test]
fn no_metadata_is_no_credentials_and_a_bad_one_has_failed() {
    let (place, _) = serve(vec!["404 <html>".into()]);
    let error = fetch(&imds(&place, &[])).unwrap_err();
    assert_eq!(error.kind, Kind::NoCredentials);
    assert!(error.message.contains("before\ninstance metadata (IMDS): "), "{error}");
    let source = imds("http://127.0.0.1:1", &[]);
    assert_eq!(fetch(&source).unwrap_err().kind, Kind::NoCredentials);
    let begun = Instant::now();
    assert_eq!(fetch(&source).unwrap_err().kind, Kind::NoCredentials);
    assert!(begun.elapsed() < Duration::from_millis(20), "asked again at once");
    let (place, _) = serve(["200 t", "404 "].map(str::to_owned).to_vec());
    assert!(fetch(&imds(&place, &[])).unwrap_err().message.contains("no role"));
    for role in ["200 a\tb", "200 ../x", "200 "] {
        let (place, _) = serve(["200 t", role].map(str::to_owned).to_vec());
        assert_eq!(fetch(&imds(&place, &[])).unwrap_err().kind, Kind::CredentialsFailed);
    }
    let (place, asked) = serve(["403 ".into(), "200 r".into(), good()].to_vec());
    fetch(&imds(&place, &[("AWS_EC2_METADATA_V1_DISABLED", "false")])).unwrap();
    assert!(!asked.lock().unwrap()[1].contains("metadata-token"));
}

#[test]
fn the_containers_agent_gets_its_token_and_another_chance() {
    let (place, asked) = serve(["500 oops".into(), good(), "403 {\"message\":\"no\"}".into()].to_vec());
    let uri = format!("{}/keys?x=y", place.replace("127.0.0.1", "localhost"));
    let agent = container::Agent::find(&|name| match name {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI" => Some(uri.clone()),
        "AWS_CONTAINER_AUTHORIZATION_TOKEN" => Some("Bearer hush".into()),
        _ => None,
    });
    let source = container::Container::new(network(), agent.unwrap().unwrap());
    assert_eq!(fetch(&source).unwrap().access_key_id, "ASIAC");
    let error = fetch(&source).unwrap_err();
    assert!(error.message.contains("HTTP 403: no") && !error.message.contains("hush"), "{error}");
    let asked = asked.lock().unwrap();
    assert!(asked[1].starts_with("GET /keys?x=y HTTP/1.1\r\n"), "{}", asked[1]);
    assert!(asked[1].contains("authorization: Bearer hush"), "{}", asked[1]);
}

fn places(place: &str) -> sts::Places {
    let chosen = Some(Setting { value: place.into(), source: "the test".into() });
    sts::Places { sts: chosen.clone(), portal: chosen.clone(), oidc: chosen, ..sts::Places::default() }
}

fn role(external_id: Option<&str>) -> profile::Role {
    profile::Role {
        profile: "p".into(),
        arn: "arn:aws:iam::1:role/r".into(),
        external_id: external_id.map(str::to_owned),
        duration_seconds: Some(900),
        ..profile::Role::default()
    }
}

#[test]
fn roles_are_assumed_one_after_the_other() {
    let denied =
        "403 <ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>";
    let ok = format!("200 {}", sts::tests::GOOD);
    let (place, asked) = serve([ok.clone(), ok, denied.into()].to_vec());
    let base = Arc::new(Fixed::new("the test".into(), "AKIDBASE", "hush", None));
    let roles = vec![role(Some("e/x")), role(None)];
    let source = role::Roles { network: network(), places: places(&place), base, roles };
    assert_eq!(fetch(&source).unwrap().access_key_id, "ASIARCORRECT");
    let error = fetch(&source).unwrap_err();
    assert_eq!(error.kind, Kind::CredentialsFailed);
    assert!(
        error.message.contains("AccessDenied: no (HTTP 403)") && error.message.contains("trust policy"),
        "{error}"
    );
    let asked = asked.lock().unwrap();
    assert!(
        asked[0].contains("Credential=AKIDBASE/") && asked[0].contains("/us-east-2/sts/aws4_request"),
        "{}",
        asked[0]
    );
    let form = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr\
                &RoleSessionName=libfirehose-1632000000&DurationSeconds=900&ExternalId=e%2Fx";
    assert!(asked[0].ends_with(form), "{}", asked[0]);
    assert!(
        asked[1].contains("Credential=ASIARCORRECT/") && asked[1].contains("x-amz-security-token: quiet")
    );
}

#[test]
fn a_token_in_a_file_is_read_anew_and_nothing_is_signed() {
    let answer = sts::tests::GOOD.replace("AssumeRoleRes", "AssumeRoleWithWebIdentityRes");
    let (place, asked) = serve(vec![format!("200 {answer}"); 2]);
    let token_file = std::env::temp_dir().join(format!("firehose-web-identity-{}", std::process::id()));
    let source = web_identity::WebIdentity {
        network: network(),
        places: places(&place),
        role: role(Some("not sent")),
        token_file: token_file.clone(),
        source: "web identity".into(),
    };
    assert!(fetch(&source).unwrap_err().message.contains("firehose-web-identity-"));
    for token in ["first", "second"] {
        std::fs::write(&token_file, format!("{token}\n")).unwrap();
        assert_eq!(fetch(&source).unwrap().access_key_id, "ASIARCORRECT");
    }
    std::fs::remove_file(&token_file).unwrap();
    let asked = asked.lock().unwrap();
    assert!(asked[0].ends_with("&WebIdentityToken=first") && asked[1].ends_with("&WebIdentityToken=second"));
    assert!(!asked[0].to_ascii_lowercase().contains("authorization") && !asked[0].contains("ExternalId"));
}

#[test]
fn a_session_is_renewed_and_exchanged_for_keys() {
    let keys = format!("200 {}", sso::tests::GOOD);
    let refused = "400 {\"error\":\"invalid_grant\"}";
    let (place, asked) = serve([format!("200 {}", sso::tests::ANSWER), keys, refused.into()].to_vec());
    let home = std::env::temp_dir().join(format!("firehose-sso-home-{}", std::process::id()));
    std::fs::create_dir_all(home.join(".aws/sso/cache")).unwrap();
    let session = profile::Sso {
        profile: "p".into(),
        session: Some("s".into()),
        start_url: "https://x".into(),
        region: "us-east-1".into(),
        account_and_role: Some(("1".into(), "a b".into())),
    };
    let login = sso::Login::new(&session, home.to_str()).unwrap();
    let source = sso::Sso { network: network(), places: places(&place), login };
    assert!(fetch(&source).unwrap_err().message.contains("aws sso login --sso-session s"));
    // What sha1sum says of "s".
    let file = home.join(".aws/sso/cache/a0f1490a20d0211c997b44bc357e1972deab8ae3.json");
    std::fs::write(&file, sso::tests::CACHE.replace("2021-09-21T", "2021-01-01T")).unwrap();
    assert_eq!(fetch(&source).unwrap().access_key_id, "ASIAS");
    assert!(std::fs::read_to_string(&file).unwrap().contains("\"accessToken\":\"new\""));
    std::fs::write(&file, sso::tests::CACHE.replace("2021-09-21T", "2021-01-01T")).unwrap();
    let error = fetch(&source).unwrap_err();
    assert!(error.message.contains("invalid_grant") && error.message.contains("aws sso login"), "{error}");
    assert!(!error.message.contains("hush"), "{error}");
    let asked = asked.lock().unwrap();
    assert!(asked[0].starts_with("POST /token HTTP") && asked[0].contains("\"refreshToken\":\"again\""));
    let first = "GET /federation/credentials?account_id=1&role_name=a%20b HTTP/1.1\r\n";
    assert!(asked[1].starts_with(first) && asked[1].contains("x-amz-sso_bearer_token: new"), "{}", asked[1]);
    std::fs::remove_dir_all(home).unwrap();
}
