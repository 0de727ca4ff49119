//! The service's twelve operations by name, and the small ones themselves.

use crate::destinations;
use crate::error::Refusal;
use crate::puts::{self, Throttle};
use crate::service::Service;
use crate::stream::lock;
use crate::tags;
use crate::validate::{self, Members};
use serde_json::{Value, json};

pub(crate) const OPERATIONS: [&str; 12] = [
    "CreateDeliveryStream",
    "DeleteDeliveryStream",
    "DescribeDeliveryStream",
    "ListDeliveryStreams",
    "ListTagsForDeliveryStream",
    "PutRecord",
    "PutRecordBatch",
    "StartDeliveryStreamEncryption",
    "StopDeliveryStreamEncryption",
    "TagDeliveryStream",
    "UntagDeliveryStream",
    "UpdateDestination",
];

/// Does what a request asks, and gives the answer's body.
pub(crate) fn run(
    service: &Service,
    operation: &str,
    members: &Members,
    throttle: Option<&Throttle<'_>>,
) -> Result<String, Refusal> {
    let answer = match operation {
        "PutRecord" => return puts::put_record(service, members),
        "PutRecordBatch" => return puts::put_record_batch(service, members, throttle),
        "CreateDeliveryStream" => destinations::create(service, members),
        "DeleteDeliveryStream" => delete(service, members),
        "DescribeDeliveryStream" => describe(service, members),
        "ListDeliveryStreams" => list(service, members),
        "ListTagsForDeliveryStream" => tags::list(service, members),
        "StartDeliveryStreamEncryption" => encrypt(service, members, true),
        "StopDeliveryStreamEncryption" => encrypt(service, members, false),
        "TagDeliveryStream" => tags::tag(service, members),
        "UntagDeliveryStream" => tags::untag(service, members),
        "UpdateDestination" => destinations::update(service, members),
        _ => return Err(unknown(operation)),
    };
    answer.map(|answer| answer.to_string())
}

pub(crate) fn unknown(operation: &str) -> Refusal {
    Refusal::bad("UnknownOperationException", format!("There is no operation '{operation}'."))
}

fn delete(service: &Service, members: &Members) -> Result<Value, Refusal> {
    service.streams.remove(validate::stream_name(members)?)?;
    Ok(json!({}))
}

fn encrypt(service: &Service, members: &Members, on: bool) -> Result<Value, Refusal> {
    let name = validate::stream_name(members)?;
    let wanted = if on { Some(destinations::encryption(members)?) } else { None };
    let stream = service.streams.find(name)?;
    let mut stream = lock(&stream);
    if stream.kind != "DirectPut" {
        let text = format!("This operation is not permitted on {} delivery stream type.", stream.kind);
        return Err(Refusal::argument(text));
    }
    stream.encryption = wanted;
    Ok(json!({}))
}

fn describe(service: &Service, members: &Members) -> Result<Value, Refusal> {
    let name = validate::stream_name(members)?;
    validate::number(members, "Limit", 1, 10_000)?;
    let start = validate::optional_text(members, "ExclusiveStartDestinationId")?;
    let stream = service.streams.find(name)?;
    let stream = lock(&stream);
    let destinations = match start {
        Some(start) if start >= destinations::DESTINATION_ID => Vec::new(),
        _ => vec![destinations::describe(&stream)],
    };
    let mut description = json!({
        "DeliveryStreamName": stream.name,
        "DeliveryStreamARN": service.streams.arn(&stream.name),
        "DeliveryStreamStatus": "ACTIVE",
        "DeliveryStreamEncryptionConfiguration": stream.encryption_description(),
        "DeliveryStreamType": stream.kind,
        "VersionId": stream.version.to_string(),
        "CreateTimestamp": stream.created,
        "LastUpdateTimestamp": stream.updated,
        "Destinations": destinations,
        "HasMoreDestinations": false,
    });
    if let Some(source) = &stream.source {
        description["Source"] = source.clone();
    }
    Ok(json!({ "DeliveryStreamDescription": description }))
}

fn list(service: &Service, members: &Members) -> Result<Value, Refusal> {
    let kind = validate::one_of(members, "DeliveryStreamType", &destinations::STREAM_TYPES)?;
    let limit = validate::number(members, "Limit", 1, 10_000)?.unwrap_or(10) as usize;
    let start = validate::optional_text(members, "ExclusiveStartDeliveryStreamName")?;
    if let Some(start) = start {
        validate::check_stream_name(start)?;
    }
    let mut names = Vec::new();
    let mut more = false;
    for stream in service.streams.all() {
        let stream = lock(&stream);
        let wanted = kind.is_none_or(|kind| stream.kind == kind);
        if !wanted || start.is_some_and(|start| stream.name.as_str() <= start) {
            continue;
        }
        more = names.len() == limit;
        if more {
            break;
        }
        names.push(stream.name.clone());
    }
    Ok(json!({ "DeliveryStreamNames": names, "HasMoreDeliveryStreams": more }))
}

#[cfg(test)]
#[path = "operations_tests.rs"]
mod tests;
