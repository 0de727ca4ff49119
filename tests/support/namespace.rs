//! Runs a test again inside a network and a mount namespace of its own, where the addresses of the metadata services
//! are on loopback and the names of AWS in a private hosts file.

use std::process::{Command, Output};

use super::build::{How, Library, program, scratch};
use super::have;

const INSIDE: &str = "FIREHOSE_TEST_INSIDE";

/// Where the names of the services of AWS but Firehose lead to.
pub(crate) const AWS: &str = "127.0.0.10";
/// Where the names of Firehose lead to.
pub(crate) const FIREHOSE: &str = "127.0.0.20";
/// The metadata services.
pub(crate) const METADATA: [&str; 5] =
    ["169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23"];
pub(crate) const REGIONS: [&str; 3] = ["us-east-1", "us-east-2", "us-west-2"];

const SETUP: &str = r#"set -e
ip link set lo up
for address in $FIREHOSE_TEST_ADDRESSES; do
    case $address in
        *:*) ip -6 addr add "$address/128" dev lo nodad ;;
        *) ip addr add "$address/32" dev lo ;;
    esac
done
mount --bind "$FIREHOSE_TEST_HOSTS" /etc/hosts
exec "$@""#;

/// Whether this process is one that `inside` started.
pub(crate) fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// The names that AWS has in each region.
pub(crate) fn names() -> Vec<String> {
    let of = |region: &&str| {
        ["sts", "portal.sso", "oidc"].map(|service| format!("{service}.{region}.amazonaws.com"))
    };
    REGIONS.iter().flat_map(of).chain(["aws.sts-env-override".to_owned()]).collect()
}

/// True inside. Outside it runs the test named `test` inside, to its good end, and is false: nothing is left to do.
pub(crate) fn inside(test: &str, library: Library) -> bool {
    if is_inside() {
        return true;
    }
    if !have("unshare") || !have("ip") {
        return false;
    }
    let unshare = || {
        let mut unshare = Command::new("unshare");
        unshare.args(["--map-root-user", "--mount", "--net"]);
        unshare
    };
    let output =
        unshare().args(["sh", "-c", "ip link set lo up && mount -t tmpfs none /mnt"]).output().unwrap();
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(std::env::var_os("CI").is_none(), "no namespace can be made: {why}");
        println!("skipped: no namespace can be made: {why}");
        return false;
    }
    program("put.c", library, How::Plain);
    let hosts = scratch().join(format!("{test}-hosts"));
    let firehose = REGIONS.map(|region| format!("firehose.{region}.amazonaws.com")).join(" ");
    let names = names().join(" ");
    std::fs::write(&hosts, format!("127.0.0.1 localhost\n{AWS} {names}\n{FIREHOSE} {firehose}\n")).unwrap();
    let Output { status, stdout, stderr } = unshare()
        .args(["sh", "-c", SETUP, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .env("FIREHOSE_TEST_ADDRESSES", METADATA.join(" "))
        .env("FIREHOSE_TEST_HOSTS", hosts)
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success() && stdout.contains("1 passed"), "inside: {status}\n{stdout}\n{stderr}");
    println!("{stdout}");
    false
}
