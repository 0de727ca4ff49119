/* Options: a wrong one says which, what is wrong and what is allowed; describe tells the truth and no secret. */
#include "check.h"

static firehose_result *r;

/* By firehose_config_set, or where that cannot judge an option alone, when a client is made with it. */
static void refused(firehose_config *config, const char *name, const char *value, const char *says) {
    if (firehose_config_set(config, name, value, r) == FIREHOSE_OK) {
        firehose_client *c = NULL;
        if (firehose_client_new(config, &c, r) != FIREHOSE_INVALID_ARGUMENT) FAIL("%s=%s was taken", name, value);
        CHECK(c == NULL && firehose_config_set(config, name, "", NULL) == FIREHOSE_OK);
    } else {
        CHECK(firehose_result_status(r) == FIREHOSE_INVALID_ARGUMENT);
    }
    CHECK_CONTAINS(firehose_result_message(r), name);
    if (says != NULL) CHECK_CONTAINS(firehose_result_message(r), says);
}

static void bad_values(firehose_config *config) {
    static const struct { const char *name, *value, *says; } bad[] = {
        {"regoin", "us-east-1", "region"}, {"max_attempt", "1", "max_attempts"}, {"Endpoint", "http://a", "endpoint"},
        {"connect_timeout", "1", "connect_timeout_ms"}, {"secret_acces_key", "hunter2", "secret_access_key"},
        {"max_attempts", "many", "many"}, {"max_attempts", "-1", "-1"}, {"max_attempts", "0", "0"},
        {"max_attempts", "1.5", "1.5"}, {"max_attempts", "99999999999999999999", "99999999999999999999"},
        {"operation_timeout_ms", "5s", "5s"}, {"retry_mode", "fast", "adaptive"},
        {"use_fips", "maybe", "true"}, {"endpoint", "ftp://host", "http"}, {"endpoint", "not a url", "http"},
        {"log_level", "loud", "debug"}, {"log_fd", "one", "one"}, {"log_fd", "-1", "-1"},
        {"region", "us east", "us east"}, {"region", "us-east-1.evil.com/", NULL}, {"no-such-thing-at-all", "x", NULL}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        refused(config, bad[i].name, bad[i].value, bad[i].says);
        if (strcmp(bad[i].value, "hunter2") == 0) CHECK(strstr(firehose_result_message(r), "hunter2") == NULL);
    }
}

static void describe(firehose_config *config) {
    firehose_client *c = NULL;
    size_t len = 0;
    static const char *const set[][2] = {{"region", "eu-central-1"}, {"endpoint", "http://user-host.example:8080/base"},
        {"access_key_id", "AKIDEXAMPLE"}, {"secret_access_key", "hunter2-secret"}, {"session_token", "hunter2-token"},
        {"proxy", "http://joe:hunter2@127.0.0.1:3128"}, {"max_attempts", "7"}, {"retry_mode", "adaptive"}};
    for (size_t i = 0; i < sizeof set / sizeof *set; i++)
        CHECK_STATUS(FIREHOSE_OK, firehose_config_set(config, set[i][0], set[i][1], r), r);
    CHECK_STATUS(FIREHOSE_OK, firehose_client_new(config, &c, r), r);
    /* The config is the caller's: what is set now is for the next client. */
    CHECK_STATUS(FIREHOSE_OK, firehose_config_set(config, "max_attempts", "9", r), r);
    CHECK_STATUS(FIREHOSE_OK, firehose_client_describe(c, r), r);
    const char *body = firehose_result_body(r, &len);
    CHECK(len == strlen(body) && body[0] == '{' && strstr(body, "hunter2") == NULL);
    CHECK_CONTAINS(body, "eu-central-1");
    CHECK_CONTAINS(body, "user-host.example");
    CHECK_CONTAINS(body, "adaptive");
    CHECK_CONTAINS(body, "127.0.0.1:3128");
    printf("describe\t%s\n", body);
    firehose_free(c);
}

/* The tests run this with no region and no keys anywhere. */
static void nothing_found(void) {
    firehose_config *config = firehose_config_new();
    firehose_client *c = NULL;
    int32_t status = firehose_client_new(config, &c, r);
    if (status == FIREHOSE_OK) status = firehose_put_record(c, test_stream(), "x", 1, r);
    CHECK_STATUS(FIREHOSE_NO_REGION, status, r);
    CHECK_CONTAINS(firehose_result_message(r), "AWS_REGION");
    firehose_free(c);
    c = NULL;
    CHECK_STATUS(FIREHOSE_OK, firehose_config_set(config, "region", "us-east-1", r), r);
    CHECK_STATUS(FIREHOSE_OK, firehose_config_set(config, "endpoint", "http://127.0.0.1:1", r), r);
    status = firehose_client_new(config, &c, r);
    if (status == FIREHOSE_OK) status = firehose_put_record(c, test_stream(), "x", 1, r);
    CHECK_STATUS(FIREHOSE_NO_CREDENTIALS, status, r);
    CHECK_CONTAINS(firehose_result_message(r), "AWS_ACCESS_KEY_ID");
    firehose_free(c);
    firehose_config_free(config);
}

int main(void) {
    firehose_config *config = firehose_config_new();
    r = firehose_result_new();
    bad_values(config);
    describe(config);
    nothing_found();
    firehose_config_free(config);
    firehose_result_free(r);
    return 0;
}
