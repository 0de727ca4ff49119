//! CreateDeliveryStream and UpdateDestination: what a stream delivers to. Nothing is delivered there; it is checked,
//! kept and shown.

use crate::clock;
use crate::error::Refusal;
use crate::service::Service;
use crate::stream::{Stream, lock};
use crate::tags;
use crate::validate::{self, Members};
use serde_json::{Value, json};

pub(crate) const DESTINATION_ID: &str = "destinationId-000000000001";
pub(crate) const STREAM_TYPES: [&str; 4] =
    ["DirectPut", "KinesisStreamAsSource", "MSKAsSource", "DatabaseAsSource"];

/// The names before `DestinationConfiguration`, `DestinationUpdate` and `DestinationDescription`.
const KINDS: [&str; 10] = [
    "S3",
    "ExtendedS3",
    "Redshift",
    "Elasticsearch",
    "Amazonopensearchservice",
    "Splunk",
    "HttpEndpoint",
    "AmazonOpenSearchServerless",
    "Snowflake",
    "Iceberg",
];

/// Members that the service takes but never shows.
const SECRETS: [&str; 5] = ["Password", "AccessKey", "HECToken", "PrivateKey", "KeyPassphrase"];

fn find(members: &Members, suffix: &str) -> Result<Option<(&'static str, Value)>, Refusal> {
    let mut found = None;
    for kind in KINDS {
        let member = format!("{kind}Destination{suffix}");
        let Some(given) = validate::object(members, &member)? else { continue };
        if found.is_some() {
            return Err(Refusal::argument(
                "Exactly one destination configuration is supported for a Firehose",
            ));
        }
        found = Some((kind, Value::Object(given.clone())));
    }
    Ok(found)
}

fn check_arn(members: &Members, member: &str, required: bool) -> Result<(), Refusal> {
    match validate::optional_text(members, member)? {
        None if required => Err(Refusal::missing(&format!("s3DestinationConfiguration.{member}"))),
        Some(value) if !value.starts_with("arn:") => {
            let rule = "Member must satisfy regular expression pattern: arn:.*";
            Err(Refusal::constraint(&format!("'{value}'"), member, rule))
        }
        _ => Ok(()),
    }
}

fn check_s3(given: &Value, whole: bool) -> Result<(), Refusal> {
    let Value::Object(given) = given else { return Ok(()) };
    check_arn(given, "RoleARN", whole)?;
    check_arn(given, "BucketARN", whole)?;
    if let Some(hints) = validate::object(given, "BufferingHints")? {
        validate::number(hints, "SizeInMBs", 1, 128)?;
        validate::number(hints, "IntervalInSeconds", 0, 900)?;
    }
    let formats = ["UNCOMPRESSED", "GZIP", "ZIP", "Snappy", "HADOOP_SNAPPY"];
    validate::one_of(given, "CompressionFormat", &formats)?;
    Ok(())
}

/// The key's type and ARN of an encryption request.
pub(crate) fn encryption(members: &Members) -> Result<(String, Option<String>), Refusal> {
    let Some(input) = validate::object(members, "DeliveryStreamEncryptionConfigurationInput")? else {
        return Ok(("AWS_OWNED_CMK".into(), None));
    };
    let kind = validate::one_of(input, "KeyType", &["AWS_OWNED_CMK", "CUSTOMER_MANAGED_CMK"])?
        .ok_or_else(|| Refusal::missing("deliveryStreamEncryptionConfigurationInput.keyType"))?;
    let key = validate::optional_text(input, "KeyARN")?;
    match (kind, key) {
        ("CUSTOMER_MANAGED_CMK", None) => {
            Err(Refusal::argument("KeyARN must be given when KeyType is CUSTOMER_MANAGED_CMK."))
        }
        ("AWS_OWNED_CMK", Some(_)) => {
            Err(Refusal::argument("KeyARN must not be given when KeyType is AWS_OWNED_CMK."))
        }
        (_, Some(key)) if !key.starts_with("arn:") => {
            Err(Refusal::bad("InvalidKMSResourceException", format!("{key} is not the ARN of a KMS key.")))
        }
        _ => Ok((kind.to_owned(), key.map(str::to_owned))),
    }
}

pub(crate) fn create(service: &Service, members: &Members) -> Result<Value, Refusal> {
    let name = validate::stream_name(members)?;
    let kind = validate::one_of(members, "DeliveryStreamType", &STREAM_TYPES)?.unwrap_or("DirectPut");
    let destination = find(members, "Configuration")?;
    if let Some((kind @ ("S3" | "ExtendedS3"), given)) = &destination {
        check_s3(given, true).map_err(|refusal| Refusal {
            message: refusal.message.replace("s3Destination", &format!("{kind}Destination")),
            ..refusal
        })?;
    }
    let source = match kind {
        "KinesisStreamAsSource" => {
            Some(("KinesisStreamSourceConfiguration", "KinesisStreamSourceDescription"))
        }
        "MSKAsSource" => Some(("MSKSourceConfiguration", "MSKSourceDescription")),
        "DatabaseAsSource" => Some(("DatabaseSourceConfiguration", "DatabaseSourceDescription")),
        _ => None,
    };
    let source = match source {
        None => None,
        Some((member, shown)) => {
            let given = validate::object(members, member)?;
            let given = given.ok_or_else(|| Refusal::argument(format!("{kind} needs {member}.")))?;
            Some(json!({ shown: given }))
        }
    };
    let mut stream = Stream::new(name);
    if members.contains_key("DeliveryStreamEncryptionConfigurationInput") {
        stream.encryption = Some(encryption(members)?);
    }
    stream.tags = tags::parse(members)?.unwrap_or_default();
    stream.kind = kind.to_owned();
    stream.destination = destination;
    stream.source = source;
    service.streams.add(stream)?;
    Ok(json!({ "DeliveryStreamARN": service.streams.arn(name) }))
}

fn merge(old: &mut Value, new: Value) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (member, value) in new {
                merge(old.entry(member).or_insert(Value::Null), value);
            }
        }
        (old, new) => *old = new,
    }
}

pub(crate) fn update(service: &Service, members: &Members) -> Result<Value, Refusal> {
    let name = validate::stream_name(members)?;
    let version = validate::text(members, "CurrentDeliveryStreamVersionId")?;
    validate::length(version, "currentDeliveryStreamVersionId", 1, 50)?;
    let id = validate::text(members, "DestinationId")?;
    validate::length(id, "destinationId", 1, 100)?;
    let (kind, given) =
        find(members, "Update")?.ok_or_else(|| Refusal::argument("One destination update must be given."))?;
    let stream = service.streams.find(name)?;
    let mut stream = lock(&stream);
    if stream.version.to_string() != version {
        let text = format!(
            "Cannot update firehose: {name} since the current version id: {} and specified version id: {version} \
             do not match",
            stream.version
        );
        return Err(Refusal::bad("ConcurrentModificationException", text));
    }
    if id != DESTINATION_ID {
        return Err(Refusal::argument(format!("Destination Id {id} not found")));
    }
    if matches!(kind, "S3" | "ExtendedS3") {
        check_s3(&given, false)?;
    }
    let is_s3 = |kind: &str| matches!(kind, "S3" | "ExtendedS3");
    match &mut stream.destination {
        Some((old, config)) if *old == kind || is_s3(old) && is_s3(kind) => {
            *old = kind;
            merge(config, given);
        }
        destination => *destination = Some((kind, given)),
    }
    stream.version += 1;
    stream.updated = clock::real_now();
    Ok(json!({}))
}

fn without_secrets(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let shown = members.iter().filter(|(name, _)| !SECRETS.contains(&name.as_str()));
            Value::Object(shown.map(|(name, value)| (name.clone(), without_secrets(value))).collect())
        }
        other => other.clone(),
    }
}

/// The destination as DescribeDeliveryStream shows it, with the service's defaults filled in.
pub(crate) fn describe(stream: &Stream) -> Value {
    let mut shown = json!({ "DestinationId": DESTINATION_ID });
    let Some((kind, given)) = &stream.destination else { return shown };
    let mut description = without_secrets(given);
    if matches!(*kind, "S3" | "ExtendedS3") {
        let mut whole = json!({
            "BufferingHints": { "SizeInMBs": 5, "IntervalInSeconds": 300 },
            "CompressionFormat": "UNCOMPRESSED",
            "EncryptionConfiguration": { "NoEncryptionConfig": "NoEncryption" },
            "CloudWatchLoggingOptions": { "Enabled": false },
        });
        merge(&mut whole, description);
        shown["S3DestinationDescription"] = whole.clone();
        if *kind == "S3" {
            return shown;
        }
        description = json!({ "S3BackupMode": "Disabled" });
        merge(&mut description, whole);
    }
    shown[format!("{kind}DestinationDescription")] = description;
    shown
}
