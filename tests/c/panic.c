/* A fault inside the library is a status of the call, not the end of the host. Argument: the point of the fault. */
#include "check.h"

static int lines, faults;

static void log_line(void *user_data, int32_t level, const char *message) {
    (void)user_data, (void)level;
    lines += *message != '\0';
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    const char *point = argv[1], *stream = test_stream();
    firehose_result *r = firehose_result_new();
    firehose_config *config = firehose_config_new();
    firehose_client *client = NULL;
    const firehose_record record = {"x", 1};
    char json[256];
    int len = snprintf(json, sizeof json, "{\"DeliveryStreamName\":\"%s\",\"Record\":{\"Data\":\"YWZ0ZXI=\"}}", stream);
    CHECK_STATUS(FIREHOSE_OK, firehose_config_set(config, "endpoint", required("FIREHOSE_TEST_ENDPOINT"), r), r);
    CHECK_STATUS(FIREHOSE_OK, firehose_config_set(config, "test.panic", point, r), r);
    CHECK_STATUS(FIREHOSE_OK, firehose_config_set_log(config, 6, log_line, NULL, r), r);
    CHECK_STATUS(FIREHOSE_OK, firehose_client_new(config, &client, r), r);
    for (int i = 0; i < 20; i++) {
        int32_t status = firehose_put_record(client, stream, "x", 1, r);
        if (strcmp(point, "put") == 0) {
            CHECK_STATUS(FIREHOSE_INTERNAL, status, r);
            CHECK(strlen(firehose_result_message(r)) > 20 && *firehose_result_record_id(r) == '\0');
            CHECK(firehose_result_status(r) == FIREHOSE_INTERNAL);
            CHECK(firehose_put_record(client, stream, "x", 1, NULL) == FIREHOSE_INTERNAL);
            CHECK_STATUS(FIREHOSE_INTERNAL, firehose_put_record_batch(client, stream, &record, 1, r), r);
        } else if (strcmp(point, "lookup") == 0) {
            if (status != FIREHOSE_INTERNAL && status != FIREHOSE_CONNECT_FAILED)
                FAIL("%s after a fault in the lookup: %s", firehose_status_name(status), firehose_result_message(r));
        } else {
            /* The server refuses some first attempts: the line that tells of it meets the fault. */
            faults += status == FIREHOSE_INTERNAL;
            if (status != FIREHOSE_INTERNAL) CHECK_STATUS(FIREHOSE_OK, status, r);
        }
        /* The client goes on: an operation that does not meet the fault delivers. */
        if (strcmp(point, "put") == 0)
            CHECK_STATUS(FIREHOSE_OK, firehose_call(client, "PutRecord", json, (size_t)len, r), r);
    }
    if (strcmp(point, "log") == 0 && (faults == 0 || faults > 10)) FAIL("%d of 20 calls met the fault", faults);
    CHECK_STATUS(FIREHOSE_OK, firehose_client_describe(client, r), r);
    firehose_free(client);
    firehose_config_free(config);
    firehose_result_free(r);
    return 0;
}
