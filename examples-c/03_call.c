/*
 * Lesson 3: every other operation of the service, by its name and with JSON.
 *
 *     03_call STREAM [DESTINATION]
 *
 * Creates the stream unless it exists, describes it, and lists the streams of the account. DESTINATION is the
 * JSON of an ExtendedS3DestinationConfiguration; without it the stream is made for a local server.
 */
#include <firehose.h>
#include <stdio.h>
#include <string.h>

#define LOCAL_DESTINATION \
    "{\"RoleARN\":\"arn:aws:iam::123456789012:role/firehose\",\"BucketARN\":\"arn:aws:s3:::arrivals\"}"

/* The body of an answer is JSON as the service wrote it: hand it to the JSON library that you like. */
static firehose_status call(firehose_client *client, const char *action, const char *json, firehose_result *result) {
    firehose_status status = firehose_call(client, action, json, strlen(json), result);
    if (status == FIREHOSE_OK) {
        printf("%s: %s\n", action, firehose_result_body(result, NULL));
    } else {
        fprintf(stderr, "%s: %s\n", action, firehose_result_message(result));
        fprintf(stderr, "    code %s, HTTP %d, request id %s\n", firehose_result_error_code(result),
                (int)firehose_result_http_status(result), firehose_result_request_id(result));
    }
    return status;
}

int main(int argc, char **argv) {
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: %s STREAM [DESTINATION]\n", argv[0]);
        return 2;
    }
    const char *destination = argc > 2 ? argv[2] : LOCAL_DESTINATION;
    char json[4096];

    firehose_result *result = firehose_result_new();
    firehose_client *client = NULL;
    firehose_status status = firehose_client_new(NULL, &client, result);
    if (status != FIREHOSE_OK) {
        fprintf(stderr, "no client: %s\n", firehose_result_message(result));
        goto done;
    }

    int length = snprintf(json, sizeof json,
                          "{\"DeliveryStreamName\":\"%s\",\"ExtendedS3DestinationConfiguration\":%s}", argv[1],
                          destination);
    if (length < 0 || (size_t)length >= sizeof json) {
        fprintf(stderr, "name and destination are longer than %zu bytes\n", sizeof json);
        status = FIREHOSE_INVALID_ARGUMENT;
        goto done;
    }
    status = call(client, "CreateDeliveryStream", json, result);
    if (status != FIREHOSE_OK && status != FIREHOSE_IN_USE) /* in use: it is there already, good */
        goto done;

    snprintf(json, sizeof json, "{\"DeliveryStreamName\":\"%s\"}", argv[1]);
    status = call(client, "DescribeDeliveryStream", json, result);
    if (status == FIREHOSE_OK)
        status = call(client, "ListDeliveryStreams", "{\"Limit\":10}", result);

done:
    firehose_free(client);
    firehose_result_free(result);
    return status == FIREHOSE_OK ? 0 : 1;
}
