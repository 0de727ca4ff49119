use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

struct Bench(Service);

impl Bench {
    fn new(streams: &[&str]) -> Self {
        let names: Vec<String> = streams.iter().map(|name| (*name).to_owned()).collect();
        Self(Service::open(&names))
    }

    fn ask(&self, operation: &str, request: Value) -> Result<Value, Refusal> {
        let members = validate::parse(request.to_string().as_bytes())?;
        run(&self.0, operation, &members, None).map(|body| serde_json::from_str(&body).unwrap())
    }

    fn good(&self, operation: &str, request: Value) -> Value {
        self.ask(operation, request.clone()).unwrap_or_else(|refusal| panic!("{request}: {refusal:?}"))
    }

    fn code(&self, operation: &str, request: Value) -> String {
        self.ask(operation, request).unwrap_err().code.into_owned()
    }

    fn message(&self, operation: &str, request: Value) -> String {
        self.ask(operation, request).unwrap_err().message
    }
}

fn put(data: &[u8]) -> Value {
    json!({ "DeliveryStreamName": "s", "Record": { "Data": STANDARD.encode(data) } })
}

fn batch(records: &[Vec<u8>]) -> Value {
    let records: Vec<Value> = records.iter().map(|data| json!({ "Data": STANDARD.encode(data) })).collect();
    json!({ "DeliveryStreamName": "s", "Records": records })
}

#[test]
fn a_record() {
    let bench = Bench::new(&["s"]);
    let all: Vec<u8> = (0..=255).collect();
    let answer = bench.good("PutRecord", put(&all));
    assert_eq!(answer["RecordId"].as_str().unwrap().len(), 224);
    assert_eq!(answer["Encrypted"], false);
    bench.good("PutRecord", put(b""));
    bench.good("PutRecord", put(&vec![0; 1_024_000]));
    let large = bench.message("PutRecord", put(&vec![0; 1_024_001]));
    assert!(large.contains("lim=1024001") && large.contains("less than or equal to 1024000"), "{large}");
    let records = bench.0.streams.records("s").unwrap();
    assert_eq!(records.iter().map(Vec::len).collect::<Vec<_>>(), [256, 0, 1_024_000]);
    assert_eq!(records[0], all);
}

#[test]
fn data_that_is_none() {
    let bench = Bench::new(&["s"]);
    let with = |data: Value| json!({ "DeliveryStreamName": "s", "Record": { "Data": data } });
    for text in ["YQ", "YQ=", "YR==", "Y Q=", "YQ==\n", "_w==", "YQ==YQ=="] {
        assert_eq!(bench.code("PutRecord", with(json!(text))), "SerializationException", "{text}");
    }
    assert_eq!(bench.code("PutRecord", with(json!(7))), "SerializationException");
    assert!(bench.message("PutRecord", with(Value::Null)).contains("'record.data'"));
    assert!(bench.message("PutRecord", json!({ "DeliveryStreamName": "s" })).contains("'record'"));
    assert_eq!(bench.0.streams.records("s").unwrap().len(), 0);
}

#[test]
fn unknown_members_are_ignored_and_unknown_streams_are_not() {
    let bench = Bench::new(&["s"]);
    let mut request = put(b"x");
    request["PartitionKey"] = "p".into();
    request["Record"]["More"] = json!([1]);
    bench.good("PutRecord", request.clone());
    request["DeliveryStreamName"] = "other".into();
    assert_eq!(bench.code("PutRecord", request), "ResourceNotFoundException");
    assert_eq!(bench.code("NoSuchThing", json!({})), "UnknownOperationException");
}

#[test]
fn a_batch_and_its_limits() {
    let bench = Bench::new(&["s"]);
    let answer = bench.good("PutRecordBatch", batch(&vec![b"a".to_vec(); 500]));
    assert_eq!(answer["FailedPutCount"], 0);
    assert_eq!(answer["RequestResponses"].as_array().unwrap().len(), 500);
    assert!(answer["RequestResponses"][499]["RecordId"].is_string());
    bench.good("PutRecordBatch", batch(&vec![vec![0; 1024 * 1024 - 24_576]; 4]));
    let exactly = [vec![vec![1; 1_024_000]; 4], vec![vec![2; 4_194_304 - 4_096_000]]].concat();
    bench.good("PutRecordBatch", batch(&exactly));
    let more = [exactly, vec![vec![3]]].concat();
    assert_eq!(bench.message("PutRecordBatch", batch(&more)), "Records size exceeds 4 MB limit");
    assert!(bench.message("PutRecordBatch", batch(&[])).contains("greater than or equal to 1"));
    let many = bench.message("PutRecordBatch", batch(&vec![Vec::new(); 501]));
    assert!(many.contains("less than or equal to 500"), "{many}");
    let one = bench.message("PutRecordBatch", batch(&[vec![], vec![0; 1_024_001]]));
    assert!(one.contains("'records.2.member.data'"), "{one}");
}

#[test]
fn some_records_of_a_batch_are_refused() {
    let bench = Bench::new(&["s"]);
    let which = crate::fault::Refused::Indices(vec![0, 2, 9]);
    let throttle = Throttle { which: &which, code: "InternalFailure", message: "why", draw: 1 };
    let request = batch(&[b"0".to_vec(), b"1".to_vec(), b"2".to_vec(), b"3".to_vec()]).to_string();
    let members = validate::parse(request.as_bytes()).unwrap();
    let body = run(&bench.0, "PutRecordBatch", &members, Some(&throttle)).unwrap();
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["FailedPutCount"], 2);
    let entry = &answer["RequestResponses"];
    assert_eq!(entry[0], json!({ "ErrorCode": "InternalFailure", "ErrorMessage": "why" }));
    assert_eq!(entry[2], entry[0]);
    assert!(entry[1]["RecordId"].is_string() && entry[3]["RecordId"].is_string());
    assert_eq!(bench.0.streams.records("s").unwrap(), [b"1", b"3"]);
    let counters = lock(&bench.0.tally).counters();
    assert_eq!((&counters["records"], &counters["failed_records"]), (&json!(2), &json!(2)));
}

fn s3() -> Value {
    json!({ "RoleARN": "arn:aws:iam::000000000000:role/r", "BucketARN": "arn:aws:s3:::b" })
}

#[test]
fn create_describe_delete() {
    let bench = Bench::new(&[]);
    let request = json!({ "DeliveryStreamName": "s", "ExtendedS3DestinationConfiguration": s3() });
    let made = bench.good("CreateDeliveryStream", request.clone());
    let arn = "arn:aws:firehose:us-east-1:000000000000:deliverystream/s";
    assert_eq!(made["DeliveryStreamARN"], arn);
    assert_eq!(bench.code("CreateDeliveryStream", request), "ResourceInUseException");
    let name = json!({ "DeliveryStreamName": "s" });
    let shown = bench.good("DescribeDeliveryStream", name.clone());
    let shown = &shown["DeliveryStreamDescription"];
    assert_eq!(shown["DeliveryStreamARN"], arn);
    assert_eq!(shown["DeliveryStreamStatus"], "ACTIVE");
    assert_eq!(shown["VersionId"], "1");
    assert_eq!(shown["HasMoreDestinations"], false);
    let s3 = &shown["Destinations"][0]["ExtendedS3DestinationDescription"];
    assert_eq!(s3["BucketARN"], "arn:aws:s3:::b");
    assert_eq!(s3["CompressionFormat"], "UNCOMPRESSED");
    bench.good("PutRecord", put(b"x"));
    bench.good("DeleteDeliveryStream", name.clone());
    assert_eq!(bench.code("DeleteDeliveryStream", name.clone()), "ResourceNotFoundException");
    assert_eq!(bench.code("DescribeDeliveryStream", name), "ResourceNotFoundException");
}

#[test]
fn what_cannot_be_created() {
    let bench = Bench::new(&[]);
    let refused = |more: Value| {
        let mut request = json!({ "DeliveryStreamName": "s" });
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        bench.message("CreateDeliveryStream", request)
    };
    let two = json!({ "S3DestinationConfiguration": s3(), "ExtendedS3DestinationConfiguration": s3() });
    assert!(refused(two).contains("Exactly one destination"));
    assert!(refused(json!({ "S3DestinationConfiguration": {} })).contains("RoleARN"));
    let mut bad = s3();
    bad["CompressionFormat"] = "lz4".into();
    assert!(refused(json!({ "S3DestinationConfiguration": bad })).contains("enum value set"));
    let mut bad = s3();
    bad["BufferingHints"] = json!({ "SizeInMBs": 129 });
    assert!(refused(json!({ "ExtendedS3DestinationConfiguration": bad })).contains("equal to 128"));
    assert!(refused(json!({ "DeliveryStreamType": "Tape" })).contains("enum value set"));
    assert!(refused(json!({ "DeliveryStreamType": "KinesisStreamAsSource" })).contains("needs Kinesis"));
    assert!(refused(json!({ "Tags": [{ "Key": "a" }, { "Key": "a" }] })).contains("twice"));
    assert!(bench.0.streams.all().is_empty());
}

#[test]
fn a_stream_with_another_source_takes_no_puts() {
    let bench = Bench::new(&[]);
    let source = json!({ "KinesisStreamARN": "arn:k", "RoleARN": "arn:r" });
    bench.good(
        "CreateDeliveryStream",
        json!({
            "DeliveryStreamName": "s",
            "DeliveryStreamType": "KinesisStreamAsSource",
            "KinesisStreamSourceConfiguration": source,
        }),
    );
    let text = "This operation is not permitted on KinesisStreamAsSource delivery stream type.";
    assert_eq!(bench.message("PutRecord", put(b"x")), text);
    assert_eq!(bench.message("PutRecordBatch", batch(&[vec![1]])), text);
}

#[test]
fn lists_in_pieces() {
    let names: Vec<String> = (10..25).map(|number| format!("n{number}")).collect();
    let bench = Bench::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let first = bench.good("ListDeliveryStreams", json!({}));
    assert_eq!(first["DeliveryStreamNames"].as_array().unwrap().len(), 10);
    assert_eq!(first["HasMoreDeliveryStreams"], true);
    let rest = bench.good("ListDeliveryStreams", json!({ "ExclusiveStartDeliveryStreamName": "n19" }));
    assert_eq!(rest["DeliveryStreamNames"], json!(["n20", "n21", "n22", "n23", "n24"]));
    assert_eq!(rest["HasMoreDeliveryStreams"], false);
    let two = bench.good("ListDeliveryStreams", json!({ "Limit": 2 }));
    assert_eq!(two["DeliveryStreamNames"], json!(["n10", "n11"]));
    let none = bench.good("ListDeliveryStreams", json!({ "DeliveryStreamType": "MSKAsSource" }));
    assert_eq!(none["DeliveryStreamNames"], json!([]));
    assert_eq!(bench.code("ListDeliveryStreams", json!({ "Limit": 0 })), "InvalidArgumentException");
}

#[test]
fn tags_come_and_go() {
    let bench = Bench::new(&["s"]);
    let tags = |from: usize, to: usize| {
        let tags: Vec<Value> =
            (from..to).map(|at| json!({ "Key": format!("k{at:02}"), "Value": "v" })).collect();
        json!({ "DeliveryStreamName": "s", "Tags": tags })
    };
    bench.good("TagDeliveryStream", tags(0, 50));
    assert_eq!(bench.code("TagDeliveryStream", tags(50, 51)), "LimitExceededException");
    bench.good("TagDeliveryStream", tags(49, 50));
    assert_eq!(bench.code("TagDeliveryStream", tags(0, 51)), "InvalidArgumentException");
    assert_eq!(bench.code("TagDeliveryStream", tags(0, 0)), "InvalidArgumentException");
    let keys = json!({ "DeliveryStreamName": "s", "TagKeys": ["k00", "k01", "nothing"] });
    bench.good("UntagDeliveryStream", keys);
    let request = json!({ "DeliveryStreamName": "s", "Limit": 2, "ExclusiveStartTagKey": "k02" });
    let shown = bench.good("ListTagsForDeliveryStream", request);
    assert_eq!(shown["Tags"], json!([{ "Key": "k03", "Value": "v" }, { "Key": "k04", "Value": "v" }]));
    assert_eq!(shown["HasMoreTags"], true);
    let system = json!({ "DeliveryStreamName": "s", "Tags": [{ "Key": "aws:x" }] });
    assert_eq!(bench.code("TagDeliveryStream", system), "InvalidArgumentException");
}

#[test]
fn encryption_on_and_off() {
    let bench = Bench::new(&["s"]);
    let name = json!({ "DeliveryStreamName": "s" });
    bench.good("StartDeliveryStreamEncryption", name.clone());
    assert_eq!(bench.good("PutRecord", put(b"x"))["Encrypted"], true);
    assert_eq!(bench.good("PutRecordBatch", batch(&[vec![1]]))["Encrypted"], true);
    let shown = bench.good("DescribeDeliveryStream", name.clone());
    let shown = &shown["DeliveryStreamDescription"]["DeliveryStreamEncryptionConfiguration"];
    assert_eq!(*shown, json!({ "Status": "ENABLED", "KeyType": "AWS_OWNED_CMK" }));
    bench.good("StopDeliveryStreamEncryption", name);
    assert_eq!(bench.good("PutRecord", put(b"x"))["Encrypted"], false);
    let keyless = json!({
        "DeliveryStreamName": "s",
        "DeliveryStreamEncryptionConfigurationInput": { "KeyType": "CUSTOMER_MANAGED_CMK" },
    });
    assert_eq!(bench.code("StartDeliveryStreamEncryption", keyless), "InvalidArgumentException");
    let odd = json!({
        "DeliveryStreamName": "s",
        "DeliveryStreamEncryptionConfigurationInput": { "KeyType": "CUSTOMER_MANAGED_CMK", "KeyARN": "k" },
    });
    assert_eq!(bench.code("StartDeliveryStreamEncryption", odd), "InvalidKMSResourceException");
}

#[test]
fn a_destination_is_updated_by_version() {
    let bench = Bench::new(&[]);
    let given = json!({ "DeliveryStreamName": "s", "ExtendedS3DestinationConfiguration": s3() });
    bench.good("CreateDeliveryStream", given);
    let update = |version: &str, id: &str| {
        json!({
            "DeliveryStreamName": "s",
            "CurrentDeliveryStreamVersionId": version,
            "DestinationId": id,
            "ExtendedS3DestinationUpdate": { "BufferingHints": { "SizeInMBs": 64 } },
        })
    };
    let id = destinations::DESTINATION_ID;
    bench.good("UpdateDestination", update("1", id));
    assert_eq!(bench.code("UpdateDestination", update("1", id)), "ConcurrentModificationException");
    assert_eq!(bench.code("UpdateDestination", update("2", "nothing")), "InvalidArgumentException");
    let shown = bench.good("DescribeDeliveryStream", json!({ "DeliveryStreamName": "s" }));
    let shown = &shown["DeliveryStreamDescription"];
    assert_eq!(shown["VersionId"], "2");
    let s3 = &shown["Destinations"][0]["ExtendedS3DestinationDescription"];
    assert_eq!(s3["BufferingHints"], json!({ "SizeInMBs": 64, "IntervalInSeconds": 300 }));
    assert_eq!(s3["BucketARN"], "arn:aws:s3:::b");
}

#[test]
fn secrets_are_not_described() {
    let bench = Bench::new(&[]);
    let splunk = json!({ "HECToken": "hidden-token", "HECEndpoint": "https://splunk.example" });
    let given = json!({ "DeliveryStreamName": "s", "SplunkDestinationConfiguration": splunk });
    bench.good("CreateDeliveryStream", given);
    let shown = bench.good("DescribeDeliveryStream", json!({ "DeliveryStreamName": "s" })).to_string();
    assert!(shown.contains("splunk.example") && !shown.contains("hidden-token"), "{shown}");
}
