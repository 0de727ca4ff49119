/* NULL, bad UTF-8 and indices past the end in every argument of every function: refused, never a crash, nothing sent. */
#include "check.h"

#define REFUSED(call) CHECK_STATUS(FIREHOSE_INVALID_ARGUMENT, call, r); CHECK(*firehose_result_message(r) != '\0')

static const char BAD[] = "a\xff\xfe";

static int32_t provide(void *user_data, firehose_credentials *out) {
    (void)user_data;
    firehose_credentials_set(out, "AKIDLOCAL", "local-secret", NULL, 0);
    return 0;
}

static void log_line(void *user_data, int32_t level, const char *message) {
    (void)user_data, (void)level, (void)message;
}

static void statuses(void) {
    static const struct { int32_t value; const char *name; } known[] = {
        {0, "FIREHOSE_OK"}, {1, "FIREHOSE_INVALID_ARGUMENT"}, {2, "FIREHOSE_NO_REGION"},
        {3, "FIREHOSE_NO_CREDENTIALS"}, {4, "FIREHOSE_CREDENTIALS_FAILED"}, {10, "FIREHOSE_CONNECT_FAILED"},
        {11, "FIREHOSE_TLS_FAILED"}, {12, "FIREHOSE_TIMEOUT"}, {13, "FIREHOSE_IO_FAILED"},
        {14, "FIREHOSE_BAD_RESPONSE"}, {20, "FIREHOSE_THROTTLED"}, {21, "FIREHOSE_UNAVAILABLE"},
        {22, "FIREHOSE_ACCESS_DENIED"}, {23, "FIREHOSE_NOT_FOUND"}, {24, "FIREHOSE_IN_USE"},
        {25, "FIREHOSE_LIMIT_EXCEEDED"}, {26, "FIREHOSE_INVALID_KMS"}, {27, "FIREHOSE_INVALID_SOURCE"},
        {28, "FIREHOSE_CONFLICT"}, {29, "FIREHOSE_EXPIRED_ITERATOR"}, {30, "FIREHOSE_REJECTED"},
        {31, "FIREHOSE_PARTIAL_FAILURE"}, {40, "FIREHOSE_QUEUE_FULL"}, {41, "FIREHOSE_CLOSED"},
        {42, "FIREHOSE_SPOOL_FAILED"}, {99, "FIREHOSE_INTERNAL"}};
    /* The enumerators exist and are the numbers that programs already carry. */
    _Static_assert(FIREHOSE_OK == 0 && FIREHOSE_INVALID_ARGUMENT == 1 && FIREHOSE_NO_REGION == 2 &&
                   FIREHOSE_NO_CREDENTIALS == 3 && FIREHOSE_CREDENTIALS_FAILED == 4 && FIREHOSE_CONNECT_FAILED == 10 &&
                   FIREHOSE_TLS_FAILED == 11 && FIREHOSE_TIMEOUT == 12 && FIREHOSE_IO_FAILED == 13 &&
                   FIREHOSE_BAD_RESPONSE == 14 && FIREHOSE_THROTTLED == 20 && FIREHOSE_UNAVAILABLE == 21 &&
                   FIREHOSE_ACCESS_DENIED == 22 && FIREHOSE_NOT_FOUND == 23 && FIREHOSE_IN_USE == 24 &&
                   FIREHOSE_LIMIT_EXCEEDED == 25 && FIREHOSE_INVALID_KMS == 26 && FIREHOSE_INVALID_SOURCE == 27 &&
                   FIREHOSE_CONFLICT == 28 && FIREHOSE_EXPIRED_ITERATOR == 29 && FIREHOSE_REJECTED == 30 &&
                   FIREHOSE_PARTIAL_FAILURE == 31 && FIREHOSE_QUEUE_FULL == 40 && FIREHOSE_CLOSED == 41 &&
                   FIREHOSE_SPOOL_FAILED == 42 && FIREHOSE_INTERNAL == 99, "values are never renumbered");
    _Static_assert(sizeof(firehose_status) == 4, "a status is an int32_t");
    const size_t count = sizeof known / sizeof *known;
    firehose_status status;
    for (size_t i = 0; i < count; i++) {
        CHECK(firehose_status_at(i, &status) && (int32_t)status == known[i].value);
        CHECK(strcmp(firehose_status_name(known[i].value), known[i].name) == 0);
        CHECK(strlen(firehose_status_message(known[i].value)) > 3);
        CHECK(firehose_status_at(i, NULL) || !firehose_status_at(i, NULL));
    }
    CHECK(!firehose_status_at(count, &status) && !firehose_status_at((size_t)-1, &status));
    const int32_t unknown[] = {-1, 5, 9, 43, 98, 100, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        CHECK(*firehose_status_name(unknown[i]) != '\0' && *firehose_status_message(unknown[i]) != '\0');
}

static void version(void) {
    char text[64];
    snprintf(text, sizeof text, "%d.%d.%d", FIREHOSE_VERSION_MAJOR, FIREHOSE_VERSION_MINOR, FIREHOSE_VERSION_PATCH);
    CHECK(strcmp(firehose_version(), text) == 0);
    CHECK(firehose_version_number() == FIREHOSE_VERSION_NUMBER);
}

static void options(void) {
    size_t count = 0, endpoint = 0;
    const char *name;
    while ((name = firehose_option_name(count)) != NULL) {
        CHECK(*name != '\0' && count < 1000);
        endpoint += strcmp(name, "endpoint") == 0;
        count++;
    }
    CHECK(count > 20 && endpoint == 1);
    CHECK(firehose_option_name(count + 1) == NULL && firehose_option_name((size_t)-1) == NULL);
}

/* What a result says that nothing was asked of, is past its end, or is not there at all. */
static void empty(const firehose_result *r) {
    const size_t indices[] = {0, 1, 499, (size_t)-1};
    size_t len = 77;
    CHECK(*firehose_result_message(r) == '\0' && *firehose_result_error_code(r) == '\0');
    CHECK(*firehose_result_request_id(r) == '\0' && *firehose_result_record_id(r) == '\0');
    CHECK(*firehose_result_body(r, &len) == '\0' && len == 0 && *firehose_result_body(r, NULL) == '\0');
    CHECK(firehose_result_http_status(r) == 0 && firehose_result_attempts(r) == 0);
    CHECK(!firehose_result_retryable(r) && !firehose_result_encrypted(r));
    CHECK(firehose_result_record_count(r) == 0 && firehose_result_failed_count(r) == 0);
    for (size_t i = 0; i < sizeof indices / sizeof *indices; i++) {
        CHECK(*firehose_result_record_id_at(r, indices[i]) == '\0');
        CHECK(*firehose_result_error_code_at(r, indices[i]) == '\0');
        CHECK(*firehose_result_error_message_at(r, indices[i]) == '\0');
    }
}

static void frees(void) {
    firehose_free(NULL);
    firehose_config_free(NULL);
    firehose_result_free(NULL);
    firehose_credentials_set(NULL, "a", "b", "c", 0);
}

static void configs(firehose_result *r) {
    firehose_config *config = firehose_config_new();
    CHECK(config != NULL);
    REFUSED(firehose_config_set(NULL, "region", "us-east-1", r));
    REFUSED(firehose_config_set(config, NULL, "us-east-1", r));
    REFUSED(firehose_config_set(config, "region", NULL, r));
    REFUSED(firehose_config_set(config, BAD, "us-east-1", r));
    REFUSED(firehose_config_set(config, "region", BAD, r));
    REFUSED(firehose_config_set_credentials_provider(NULL, provide, NULL, r));
    /* A NULL callback takes an earlier one back. */
    CHECK_STATUS(FIREHOSE_OK, firehose_config_set_credentials_provider(config, NULL, NULL, r), r);
    CHECK_STATUS(FIREHOSE_OK, firehose_config_set_log(config, 7, NULL, NULL, r), r);
    REFUSED(firehose_config_set_log(NULL, 7, log_line, NULL, r));
    REFUSED(firehose_config_set_log(config, 99, log_line, NULL, r));
    REFUSED(firehose_config_set_log(config, -1, log_line, NULL, r));
    REFUSED(firehose_client_new(config, NULL, r));
    CHECK(firehose_config_set(NULL, NULL, NULL, NULL) == FIREHOSE_INVALID_ARGUMENT);
    CHECK(firehose_config_set_credentials_provider(NULL, NULL, NULL, NULL) == FIREHOSE_INVALID_ARGUMENT);
    CHECK(firehose_config_set_log(NULL, 0, NULL, NULL, NULL) == FIREHOSE_INVALID_ARGUMENT);
    CHECK(firehose_client_new(NULL, NULL, NULL) == FIREHOSE_INVALID_ARGUMENT);
    firehose_config_free(config);
}

static void clients(firehose_client *c, firehose_result *r) {
    const char *stream = test_stream();
    const firehose_record hole[2] = {{"x", 1}, {NULL, 1}}, huge[1] = {{"x", (size_t)-1}};
    firehose_put_options o = {sizeof o, 0, NULL, NULL, NULL, NULL, 0};
    REFUSED(firehose_client_describe(NULL, r));
    REFUSED(firehose_put_record(NULL, stream, "x", 1, r));
    REFUSED(firehose_put_record(c, NULL, "x", 1, r));
    REFUSED(firehose_put_record(c, stream, NULL, 1, r));
    REFUSED(firehose_put_record(c, stream, "x", (size_t)-1, r));
    REFUSED(firehose_put_record(c, BAD, "x", 1, r));
    REFUSED(firehose_put_record_with(NULL, stream, "x", 1, &o, r));
    REFUSED(firehose_put_record_with(c, NULL, "x", 1, &o, r));
    REFUSED(firehose_put_record_with(c, stream, NULL, 1, &o, r));
    REFUSED(firehose_put_record_with(c, BAD, "x", 1, &o, r));
    const char **strings[] = {&o.partition_key, &o.explicit_hash_key, &o.sequence_number_for_ordering,
                              &o.exclusive_minimum_sequence_number};
    for (size_t i = 0; i < 4; i++) {
        *strings[i] = BAD;
        REFUSED(firehose_put_record_with(c, stream, "x", 1, &o, r));
        *strings[i] = NULL;
    }
    o.timeout_ms = -1;
    REFUSED(firehose_put_record_with(c, stream, "x", 1, &o, r));
    o.timeout_ms = 0;
    o.data_is_base64 = 1;
    REFUSED(firehose_put_record_with(c, stream, "not base64!", 11, &o, r));
    REFUSED(firehose_put_record_with(c, stream, "YQ", 2, &o, r));
    REFUSED(firehose_put_record_batch(NULL, stream, hole, 1, r));
    REFUSED(firehose_put_record_batch(c, NULL, hole, 1, r));
    REFUSED(firehose_put_record_batch(c, stream, NULL, 1, r));
    REFUSED(firehose_put_record_batch(c, stream, hole, 2, r));
    REFUSED(firehose_put_record_batch(c, stream, huge, 1, r));
    REFUSED(firehose_put_record_batch(c, stream, hole, (size_t)-1, r));
    REFUSED(firehose_put_record_batch(c, BAD, hole, 1, r));
    REFUSED(firehose_call(NULL, "ListDeliveryStreams", "{}", 2, r));
    REFUSED(firehose_call(c, NULL, "{}", 2, r));
    REFUSED(firehose_call(c, "ListDeliveryStreams", NULL, 2, r));
    REFUSED(firehose_call(c, BAD, "{}", 2, r));
    REFUSED(firehose_call(c, "", "{}", 2, r));
    REFUSED(firehose_call(c, "Put\r\nX-Evil: 1", "{}", 2, r));
    CHECK(firehose_client_describe(NULL, NULL) == FIREHOSE_INVALID_ARGUMENT);
    CHECK(firehose_put_record(NULL, NULL, NULL, 0, NULL) == FIREHOSE_INVALID_ARGUMENT);
    CHECK(firehose_put_record_with(NULL, NULL, NULL, 0, NULL, NULL) == FIREHOSE_INVALID_ARGUMENT);
    CHECK(firehose_put_record_batch(NULL, NULL, NULL, 0, NULL) == FIREHOSE_INVALID_ARGUMENT);
    CHECK(firehose_call(NULL, NULL, NULL, 0, NULL) == FIREHOSE_INVALID_ARGUMENT);
}

/* The tail that a newer program's struct has is taken only if it asks for nothing. */
static void struct_sizes(firehose_client *c, firehose_result *r) {
    struct { firehose_put_options known; char tail[48]; } o;
    memset(&o, 0, sizeof o);
    const char *stream = test_stream();
    for (size_t size = 0; size < sizeof o.known; size++) {
        o.known.struct_size = size;
        REFUSED(firehose_put_record_with(c, stream, "short", 5, &o.known, r));
    }
    CHECK_CONTAINS(firehose_result_message(r), "struct_size");
    o.known.struct_size = sizeof o;
    for (size_t i = 0; i < sizeof o.tail; i++) {
        o.tail[i] = 1;
        REFUSED(firehose_put_record_with(c, stream, "tail", 4, &o.known, r));
        o.tail[i] = 0;
    }
    /* Only these two are sent. */
    CHECK_STATUS(FIREHOSE_OK, firehose_put_record_with(c, stream, "sized", 5, &o.known, r), r);
    o.known.struct_size = sizeof o.known;
    o.known.data_is_base64 = 1;
    CHECK_STATUS(FIREHOSE_OK, firehose_put_record_with(c, stream, "YmFzZTY0", 8, &o.known, r), r);
}

int main(void) {
    firehose_result *r = firehose_result_new();
    CHECK(r != NULL);
    statuses();
    version();
    options();
    empty(NULL);
    empty(r);
    CHECK(firehose_result_status(NULL) == 0 || firehose_result_status(NULL) == FIREHOSE_INVALID_ARGUMENT);
    frees();
    configs(r);
    firehose_client *c = new_client(NULL);
    clients(c, r);
    struct_sizes(c, r);
    firehose_free(c);
    firehose_result_free(r);
    return 0;
}
