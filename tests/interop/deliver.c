/*
 * deliver MANIFEST: creates FIREHOSE_TEST_STREAM with the destination FIREHOSE_TEST_DESTINATION, waits for it,
 * puts records singly and in batches, and writes what it put into MANIFEST: the records, one after the other.
 *
 * A record is a line "record NUMBER LENGTH" and LENGTH bytes of any value, so that whoever reads the objects
 * can take them apart again, in whatever order and packing the server wrote them.
 */
#include "interop.h"

#define SINGLE 12
#define SMALL_BATCH 7
#define FULL_BATCH 100
#define LONGEST 200000

struct made {
    unsigned char *bytes;
    size_t len;
};

static unsigned next_random(unsigned *state) {
    *state = *state * 1103515245u + 12345u;
    return *state >> 16;
}

static struct made make_record(int number, size_t length) {
    unsigned state = (unsigned)number;
    struct made made;
    made.bytes = malloc(length + 64);
    CHECK(made.bytes != NULL);
    made.len = (size_t)snprintf((char *)made.bytes, 64, "record %d %zu\n", number, length);
    for (size_t i = 0; i < length; i++) made.bytes[made.len++] = (unsigned char)next_random(&state);
    return made;
}

static void create_stream(firehose_client *client, const char *stream, firehose_result *result) {
    char json[2048];
    int length = snprintf(json, sizeof json, "{\"DeliveryStreamName\":\"%s\",\"ExtendedS3DestinationConfiguration\":%s}",
                          stream, required("FIREHOSE_TEST_DESTINATION"));
    CHECK(length > 0 && (size_t)length < sizeof json);
    CHECK_STATUS(FIREHOSE_OK, firehose_call(client, "CreateDeliveryStream", json, (size_t)length, result), result);
    CHECK_CONTAINS(firehose_result_body(result, NULL), stream);

    length = snprintf(json, sizeof json, "{\"DeliveryStreamName\":\"%s\"}", stream);
    for (int tries = 0;; tries++) {
        CHECK_STATUS(FIREHOSE_OK, firehose_call(client, "DescribeDeliveryStream", json, (size_t)length, result), result);
        if (strstr(firehose_result_body(result, NULL), "\"ACTIVE\"") != NULL) return;
        CHECK(tries < 100);
        sleep_ms(100);
    }
}

static void put_batch(firehose_client *client, const char *stream, FILE *manifest, int first, int count, size_t step,
                      firehose_result *result) {
    struct made made[FULL_BATCH];
    firehose_record records[FULL_BATCH];
    for (int i = 0; i < count; i++) {
        made[i] = make_record(first + i, step * (size_t)i);
        records[i].data = made[i].bytes;
        records[i].len = made[i].len;
        CHECK(fwrite(made[i].bytes, 1, made[i].len, manifest) == made[i].len);
    }
    CHECK_STATUS(FIREHOSE_OK, firehose_put_record_batch(client, stream, records, (size_t)count, result), result);
    CHECK(firehose_result_record_count(result) == (size_t)count);
    CHECK(firehose_result_failed_count(result) == 0);
    for (int i = 0; i < count; i++) {
        CHECK(firehose_result_record_id_at(result, (size_t)i)[0] != '\0');
        CHECK(firehose_result_error_code_at(result, (size_t)i)[0] == '\0');
        free(made[i].bytes);
    }
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    const char *stream = test_stream();
    FILE *manifest = fopen(argv[1], "wb");
    CHECK(manifest != NULL);
    firehose_client *client = asked_for_client();
    firehose_result *result = firehose_result_new();

    create_stream(client, stream, result);
    for (int i = 0; i < SINGLE; i++) {
        struct made made = make_record(i, i + 1 == SINGLE ? LONGEST : (size_t)i);
        CHECK(fwrite(made.bytes, 1, made.len, manifest) == made.len);
        CHECK_STATUS(FIREHOSE_OK, firehose_put_record(client, stream, made.bytes, made.len, result), result);
        CHECK(firehose_result_record_id(result)[0] != '\0');
        CHECK(firehose_result_http_status(result) == 200);
        free(made.bytes);
    }
    put_batch(client, stream, manifest, SINGLE, SMALL_BATCH, 9001, result);
    put_batch(client, stream, manifest, SINGLE + SMALL_BATCH, FULL_BATCH, 11, result);

    CHECK(fclose(manifest) == 0);
    printf("records %d\n", SINGLE + SMALL_BATCH + FULL_BATCH);
    firehose_result_free(result);
    firehose_free(client);
    return 0;
}
