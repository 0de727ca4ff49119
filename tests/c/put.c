/* Puts, and tells what came of it. Arguments: `option=value` for the client, and
 *   --count N     how many calls (1)         --batch N     N records a call instead of one
 *   --data TEXT   the record                 --size N      a record of N bytes
 *   --stream S    another stream             --pause MS    between the calls
 *   --call A      firehose_call of action A with --data as its JSON
 *   --describe    a line `describe` with the settings in force, after the calls
 * One line a call, tabs between: status, attempts, HTTP status, error code, milliseconds, record id, request id,
 * retryable, record count, failed count, message. For a batch a line `at` for each record that failed. */
#include "check.h"

static const char *data = "record", *stream, *action;
static size_t size, batch, count = 1;
static bool describe;
static long pause_ms;

static char *one_line(const char *text) {
    char *copy = strdup(text);
    for (char *p = copy; *p != '\0'; p++)
        if (*p == '\t' || *p == '\n' || *p == '\r') *p = ' ';
    return copy;
}

static void report(const firehose_result *r, int32_t status, double took) {
    char *message = one_line(firehose_result_message(r)), *code = one_line(firehose_result_error_code(r));
    CHECK(firehose_result_status(r) == (firehose_status)status);
    printf("call\t%s\t%u\t%d\t%s\t%.1f\t%s\t%s\t%d\t%zu\t%zu\t%s\n", firehose_status_name(status),
           firehose_result_attempts(r), (int)firehose_result_http_status(r), code, took, firehose_result_record_id(r),
           firehose_result_request_id(r), firehose_result_retryable(r), firehose_result_record_count(r),
           firehose_result_failed_count(r), message);
    for (size_t i = 0; i < firehose_result_record_count(r); i++)
        if (*firehose_result_error_code_at(r, i) != '\0')
            printf("at\t%zu\t%s\t%s\n", i, firehose_result_error_code_at(r, i), firehose_result_error_message_at(r, i));
    free(message);
    free(code);
}

int main(int argc, char **argv) {
    firehose_result *r = firehose_result_new();
    firehose_config *config = firehose_config_new();
    firehose_client *c = NULL;
    const char *endpoint = getenv("FIREHOSE_TEST_ENDPOINT");
    stream = test_stream();
    if (endpoint != NULL) CHECK_STATUS(FIREHOSE_OK, firehose_config_set(config, "endpoint", endpoint, r), r);
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "", *equals = strchr(argv[i], '=');
        if (strcmp(argv[i], "--count") == 0) count = strtoul(value, NULL, 10), i++;
        else if (strcmp(argv[i], "--batch") == 0) batch = strtoul(value, NULL, 10), i++;
        else if (strcmp(argv[i], "--size") == 0) size = strtoul(value, NULL, 10), i++;
        else if (strcmp(argv[i], "--pause") == 0) pause_ms = strtol(value, NULL, 10), i++;
        else if (strcmp(argv[i], "--data") == 0) data = value, i++;
        else if (strcmp(argv[i], "--stream") == 0) stream = value, i++;
        else if (strcmp(argv[i], "--call") == 0) action = value, i++;
        else if (strcmp(argv[i], "--describe") == 0) describe = true;
        else if (equals != NULL) {
            char name[64];
            snprintf(name, sizeof name, "%.*s", (int)(equals - argv[i]), argv[i]);
            int32_t status = firehose_config_set(config, name, equals + 1, r);
            if (status != FIREHOSE_OK) {
                report(r, status, 0);
                return 0;
            }
        } else FAIL("unknown argument %s", argv[i]);
    }
    int32_t status = firehose_client_new(config, &c, r);
    firehose_config_free(config);
    if (status != FIREHOSE_OK) {
        report(r, status, 0);
        firehose_result_free(r);
        return 0;
    }
    size_t len = size != 0 ? size : strlen(data);
    char *record = malloc(len + 1);
    firehose_record *records = calloc(batch + 1, sizeof *records);
    CHECK(record != NULL && records != NULL);
    if (size != 0) memset(record, 'x', len);
    else memcpy(record, data, len + 1);
    for (size_t i = 0; i < batch; i++) records[i] = (firehose_record){record, len};
    for (size_t i = 0; i < count; i++) {
        if (i > 0) sleep_ms(pause_ms);
        double start = now_ms();
        if (action != NULL) status = firehose_call(c, action, record, len, r);
        else if (batch > 0) status = firehose_put_record_batch(c, stream, records, batch, r);
        else status = firehose_put_record(c, stream, record, len, r);
        report(r, status, now_ms() - start);
        fflush(stdout);
    }
    if (describe) {
        CHECK_STATUS(FIREHOSE_OK, firehose_client_describe(c, r), r);
        printf("describe\t%s\n", firehose_result_body(r, NULL));
    }
    free(records);
    free(record);
    firehose_free(c);
    firehose_result_free(r);
    return 0;
}
