use super::*;
use crate::vectors;

fn url(endpoint: &Endpoint) -> String {
    let scheme = if endpoint.tls { "https" } else { "http" };
    format!("{scheme}://{}{}", endpoint.authority, endpoint.path)
}

fn host(service: Service, region: &str, fips: bool, dualstack: bool) -> String {
    resolve(service, region, fips, dualstack).unwrap().host
}

#[test]
fn agrees_with_the_published_vectors() {
    let Some(vectors) = vectors::read("endpoints/endpoint-tests.json") else { return };
    let cases = vectors["testCases"].as_array().unwrap();
    assert!(cases.len() >= 24, "only {} vectors", cases.len());
    for case in cases {
        let name = &case["documentation"];
        let params = &case["params"];
        let (fips, dualstack) =
            (params["UseFIPS"].as_bool().unwrap(), params["UseDualStack"].as_bool().unwrap());
        let got = match params["Endpoint"].as_str() {
            Some(url) => custom(url, fips, dualstack),
            None => {
                resolve(Service::Firehose, params["Region"].as_str().unwrap_or_default(), fips, dualstack)
            }
        };
        match (case["expect"]["error"].as_str(), got) {
            (Some(expected), Err(error)) => assert!(error.message.contains(expected), "{name}: {error}"),
            (None, Ok(endpoint)) => {
                let expected = case["expect"]["endpoint"]["url"].as_str().unwrap();
                assert_eq!(url(&endpoint), format!("{expected}/"), "{name}");
            }
            (expected, got) => panic!("{name}: expected error {expected:?}, got {got:?}"),
        }
    }
}

#[test]
fn every_partition_has_its_hosts() {
    let rows = [
        ("mx-central-1", "amazonaws.com", "api.aws"),
        ("cn-northwest-1", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
        ("eusc-de-east-1", "amazonaws.eu", "api.amazonwebservices.eu"),
        ("us-iso-west-1", "c2s.ic.gov", "api.aws.ic.gov"),
        ("us-isob-east-1", "sc2s.sgov.gov", "api.aws.scloud"),
        ("eu-isoe-west-1", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
        ("us-isof-south-1", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
        ("us-gov-west-1", "amazonaws.com", "api.aws"),
    ];
    for (region, suffix, dualstack) in rows {
        let prefixes = [(Service::Firehose, "firehose"), (Service::Sts, "sts"), (Service::SsoOidc, "oidc")];
        for (service, prefix) in prefixes.into_iter().chain([(Service::SsoPortal, "portal.sso")]) {
            assert_eq!(host(service, region, false, false), format!("{prefix}.{region}.{suffix}"));
            assert_eq!(host(service, region, false, true), format!("{prefix}.{region}.{dualstack}"));
            assert_eq!(host(service, region, true, true), format!("{prefix}-fips.{region}.{dualstack}"));
        }
        assert_eq!(host(Service::Firehose, region, true, false), format!("firehose-fips.{region}.{suffix}"));
        for name in
            [host(Service::Firehose, region, true, false), host(Service::Firehose, region, false, true)]
        {
            assert_eq!(region_of_host(&name), Some(region), "{name}");
        }
    }
}

#[test]
fn the_plain_endpoints_of_govcloud_are_fips_outside_firehose() {
    assert_eq!(host(Service::Sts, "us-gov-west-1", true, false), "sts.us-gov-west-1.amazonaws.com");
    assert_eq!(
        host(Service::SsoPortal, "us-gov-west-1", true, false),
        "portal.sso.us-gov-west-1.amazonaws.com"
    );
    assert_eq!(host(Service::SsoOidc, "us-gov-east-1", true, false), "oidc.us-gov-east-1.amazonaws.com");
    assert_eq!(host(Service::Sts, "us-east-1", true, false), "sts-fips.us-east-1.amazonaws.com");
}

#[test]
fn an_unknown_region_is_of_the_first_partition() {
    for region in
        ["moon-base-1", "us-east", "us-isox-east-1", "cn-north-x", "local", "xx-cn-north-1", "cn--1"]
    {
        assert_eq!(host(Service::Firehose, region, false, false), format!("firehose.{region}.amazonaws.com"));
    }
    assert_eq!(
        host(Service::Firehose, "aws-cn-global", false, false),
        "firehose.aws-cn-global.amazonaws.com.cn"
    );
}

#[test]
fn a_region_that_is_no_host_label_is_refused() {
    assert_eq!(resolve(Service::Firehose, "", false, false).unwrap_err().kind, Kind::NoRegion);
    let long = "a".repeat(64);
    for region in ["evil.example/", "us east", "us-east-1\n", "a.b", "-a", "a-", "ü", "x@y", &long] {
        let error = resolve(Service::Firehose, region, false, false).unwrap_err();
        assert_eq!(error.kind, Kind::InvalidArgument, "{region}");
        assert!(error.message.contains("us-east-1") && !error.message.contains('\n'), "{error}");
    }
    check_region(&"a".repeat(63)).unwrap();
}

#[test]
fn a_url_is_taken_apart() {
    let rows = [
        ("https://example.com", (true, "example.com", 443, "example.com", "/")),
        ("HTTP://Example.COM/", (false, "example.com", 80, "example.com", "/")),
        ("http://localhost:4566", (false, "localhost", 4566, "localhost:4566", "/")),
        ("https://example.com:443", (true, "example.com", 443, "example.com", "/")),
        ("http://example.com:443", (false, "example.com", 443, "example.com:443", "/")),
        ("http://127.0.0.1:1/a/b", (false, "127.0.0.1", 1, "127.0.0.1:1", "/a/b")),
        ("http://[::1]:8080/", (false, "::1", 8080, "[::1]:8080", "/")),
        ("https://[FD00:EC2:0::23]", (true, "fd00:ec2::23", 443, "[fd00:ec2::23]", "/")),
        (
            "http://my_container.local.:80/a%20b/",
            (false, "my_container.local.", 80, "my_container.local.", "/a%20b/"),
        ),
        ("http://1password:65535", (false, "1password", 65535, "1password:65535", "/")),
        ("http://a/b@c", (false, "a", 80, "a", "/b@c")),
    ];
    for (text, (tls, host, port, authority, path)) in rows {
        let expected =
            Endpoint { tls, host: host.into(), port, authority: authority.into(), path: path.into() };
        assert_eq!(Endpoint::parse(text).unwrap(), expected, "{text}");
    }
}

#[test]
fn a_url_that_is_none_is_refused_by_name() {
    let long = format!("http://{}", "a".repeat(64));
    let rows = [
        ("", "no scheme"),
        ("localhost:4566", "no scheme"),
        ("ftp://a", "neither http nor https"),
        ("http://", "no host"),
        ("http://:80", "no host"),
        ("http:///path", "no host"),
        ("http://a:", "port"),
        ("http://a:0", "port"),
        ("http://a:+80", "port"),
        ("http://a:65536", "port"),
        ("http://a:99999999999999999999", "port"),
        ("http://::1", "brackets"),
        ("http://[::1", "not closed"),
        ("http://[::1]x", "bracket"),
        ("http://[fe80::1%25eth0]", "IPv6"),
        ("http://[a]", "IPv6"),
        ("http://127.1", "IPv4"),
        ("http://1.2.3.256", "IPv4"),
        ("http://0x7f.0.0.0x1", "IPv4"),
        ("http://2130706433", "IPv4"),
        ("http://a..b", "host name"),
        ("http://-a", "host name"),
        ("http://a,b", "host name"),
        (&long, "host name"),
        ("http://a b", "blank"),
        (" http://a", "neither"),
        ("http://a\r\nX: y", "control"),
        ("http://bücher.example", "not ASCII"),
        ("http://a?x", "query"),
        ("http://a/#x", "fragment"),
        ("http://a//", "empty segment"),
        ("http://a/../b", "dots"),
        ("http://a/%2", "hexadecimal"),
        ("http://a/{x}", "percent-encoded"),
        ("http://a\\b", "host name"),
        ("http://u:p@a", "user name"),
    ];
    for (text, flaw) in rows {
        let error = Endpoint::parse(text).unwrap_err();
        assert!(error.message.contains(flaw), "{text}: {error}");
        assert_eq!(error.kind, Kind::InvalidArgument);
        assert!(!error.message.contains(['\r', '\n']), "{error}");
    }
}

#[test]
fn a_message_shows_the_host_but_no_password_and_no_token() {
    let urls = [
        "https://user:hunter2@example.com/a",
        "https://user:hunt/hunter2@example.com",
        "user:hunter2@example.com",
        "hunter2@x://example.com",
        "https://user:x?hunter2@example.com",
        "https://example.com/?token=hunter2",
        "https://example.com#hunter2",
    ];
    for text in urls {
        for error in [Endpoint::parse(text), custom(text, true, false), custom(text, false, true)]
            .map(Result::unwrap_err)
        {
            assert!(!error.message.contains("hunter2"), "{error}");
            assert!(error.message.contains("example.com"), "{error}");
        }
    }
    let error = Endpoint::parse(&"é".repeat(100_000)).unwrap_err();
    assert!(error.message.len() < 1000, "{}", error.message.len());
}

#[test]
fn the_region_is_read_off_a_host_of_the_service_only() {
    let rows = [
        ("firehose.eu-west-1.amazonaws.com", Some("eu-west-1")),
        ("firehose-fips.us-east-1.api.aws", Some("us-east-1")),
        ("firehose.cn-north-1.amazonaws.com.cn.", Some("cn-north-1")),
        ("vpce-0a1b-c2d3.firehose.us-east-2.vpce.amazonaws.com", Some("us-east-2")),
        ("kinesis.eu-west-1.amazonaws.com", None),
        ("firehose.amazonaws.com", None),
        ("firehose.eu-west-1.example.com", None),
        ("firehose.eu-west-1.notamazonaws.com", None),
        ("eu-west-1.amazonaws.com", None),
        ("amazonaws.com", None),
        ("localhost", None),
        ("", None),
    ];
    for (name, region) in rows {
        assert_eq!(region_of_host(name), region, "{name}");
    }
}
