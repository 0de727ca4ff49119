//! The tags of a stream.

use crate::error::Refusal;
use crate::service::Service;
use crate::stream::lock;
use crate::validate::{self, Members};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const MOST_TAGS: usize = 50;

fn check_word(word: &str, member: &str, low: usize, high: usize) -> Result<(), Refusal> {
    validate::length(word, member, low, high)?;
    let good =
        |letter: char| letter.is_alphanumeric() || letter.is_whitespace() || "_.:/=+-@%".contains(letter);
    if word.chars().all(good) {
        return Ok(());
    }
    let rule = r"Member must satisfy regular expression pattern: ^([\p{L}\p{Z}\p{N}_.:\/=+\-@%]*)$";
    Err(Refusal::constraint(&format!("'{word}'"), member, rule))
}

/// The tags in a request, checked; `None` if there is no such member.
pub(crate) fn parse(members: &Members) -> Result<Option<BTreeMap<String, Option<String>>>, Refusal> {
    let Some(given) = validate::list(members, "Tags")? else { return Ok(None) };
    validate::count(given.len(), "tags", 1, MOST_TAGS)?;
    let mut tags = BTreeMap::new();
    for (index, tag) in given.iter().enumerate() {
        let member = format!("tags.{}.member", index + 1);
        let Value::Object(tag) = tag else { return Err(Refusal::wrong_type(&member, "an object")) };
        let key =
            validate::optional_text(tag, "Key")?.ok_or_else(|| Refusal::missing(&format!("{member}.key")))?;
        check_word(key, &format!("{member}.key"), 1, 128)?;
        if key.starts_with("aws:") {
            return Err(Refusal::argument("System tags (keys that begin with aws:) cannot be set."));
        }
        let value = validate::optional_text(tag, "Value")?;
        check_word(value.unwrap_or_default(), &format!("{member}.value"), 0, 256)?;
        if tags.insert(key.to_owned(), value.map(str::to_owned)).is_some() {
            return Err(Refusal::argument(format!("The tag key {key} is given twice.")));
        }
    }
    Ok(Some(tags))
}

pub(crate) fn tag(service: &Service, members: &Members) -> Result<Value, Refusal> {
    let name = validate::stream_name(members)?;
    let tags = parse(members)?.ok_or_else(|| Refusal::missing("tags"))?;
    let stream = service.streams.find(name)?;
    let mut stream = lock(&stream);
    let added = tags.keys().filter(|key| !stream.tags.contains_key(*key)).count();
    if stream.tags.len() + added > MOST_TAGS {
        let text = format!("A delivery stream can have at most {MOST_TAGS} tags.");
        return Err(Refusal::bad("LimitExceededException", text));
    }
    stream.tags.extend(tags);
    Ok(json!({}))
}

pub(crate) fn untag(service: &Service, members: &Members) -> Result<Value, Refusal> {
    let name = validate::stream_name(members)?;
    let keys = validate::list(members, "TagKeys")?.ok_or_else(|| Refusal::missing("tagKeys"))?;
    validate::count(keys.len(), "tagKeys", 1, MOST_TAGS)?;
    let texts: Option<Vec<&str>> = keys.iter().map(Value::as_str).collect();
    let texts = texts.ok_or_else(|| Refusal::wrong_type("tagKeys", "a list of strings"))?;
    let stream = service.streams.find(name)?;
    lock(&stream).tags.retain(|key, _| !texts.contains(&key.as_str()));
    Ok(json!({}))
}

pub(crate) fn list(service: &Service, members: &Members) -> Result<Value, Refusal> {
    let name = validate::stream_name(members)?;
    let limit = validate::number(members, "Limit", 1, 50)?.unwrap_or(50) as usize;
    let start = validate::optional_text(members, "ExclusiveStartTagKey")?.unwrap_or_default();
    let stream = service.streams.find(name)?;
    let stream = lock(&stream);
    let after = stream.tags.iter().filter(|(key, _)| key.as_str() > start);
    let shown = after.clone().take(limit).map(|(key, value)| match value {
        Some(value) => json!({ "Key": key, "Value": value }),
        None => json!({ "Key": key }),
    });
    Ok(json!({ "Tags": shown.collect::<Vec<_>>(), "HasMoreTags": after.count() > limit }))
}
