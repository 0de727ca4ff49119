/* A result is filled in place: nothing of before is left, strings live until then, and no thread owns it. */
#include "check.h"

#include <pthread.h>

enum { MOST = 1024000 };

typedef struct {
    firehose_client *client;
    firehose_result *result;
    const char *stream;
    firehose_status status;
} job;

static void *put(void *arg) {
    job *j = arg;
    j->status = firehose_put_record(j->client, j->stream, "elsewhere", 9, j->result);
    return NULL;
}

static firehose_status put_in_a_thread(job *j) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, put, j) == 0 && pthread_join(thread, NULL) == 0);
    return j->status;
}

static void nothing_of_a_failure(const firehose_result *r) {
    CHECK(firehose_result_status(r) == FIREHOSE_OK);
    CHECK(*firehose_result_message(r) == '\0' && *firehose_result_error_code(r) == '\0');
    CHECK(!firehose_result_retryable(r) && firehose_result_http_status(r) == 200);
    CHECK(*firehose_result_record_id(r) != '\0' && *firehose_result_request_id(r) != '\0');
    CHECK(firehose_result_attempts(r) == 1 && firehose_result_failed_count(r) == 0);
    CHECK(*firehose_result_error_code_at(r, 0) == '\0' && *firehose_result_record_id_at(r, 1) == '\0');
}

static void nothing_of_a_success(const firehose_result *r) {
    size_t len = 1;
    CHECK(firehose_result_status(r) != FIREHOSE_OK && *firehose_result_message(r) != '\0');
    CHECK(*firehose_result_record_id(r) == '\0' && *firehose_result_record_id_at(r, 0) == '\0');
    CHECK(!firehose_result_encrypted(r) && firehose_result_record_count(r) == 0);
    CHECK(*firehose_result_body(r, &len) == '\0' || len > 0);
}

static void reuse(firehose_client *c, firehose_result *r) {
    const firehose_record three[3] = {{"1", 1}, {"2", 1}, {"3", 1}};
    const char *stream = test_stream();
    job good = {c, r, stream, FIREHOSE_INTERNAL}, bad = {c, r, "no-such-stream", FIREHOSE_INTERNAL};

    CHECK_STATUS(FIREHOSE_NOT_FOUND, put_in_a_thread(&bad), r);
    CHECK(strcmp(firehose_result_error_code(r), "ResourceNotFoundException") == 0);
    CHECK(firehose_result_http_status(r) == 400 && !firehose_result_retryable(r));
    CHECK_CONTAINS(firehose_result_message(r), "no-such-stream");
    nothing_of_a_success(r);

    CHECK_STATUS(FIREHOSE_OK, firehose_put_record(c, stream, "here", 4, r), r);
    nothing_of_a_failure(r);
    /* What was handed out stays as it is until the result is filled again, whatever else the library does. */
    const char *id = firehose_result_record_id(r);
    char copy[512];
    CHECK(strlen(id) < sizeof copy);
    strcpy(copy, id);
    for (int i = 0; i < 20; i++) CHECK(firehose_put_record(c, stream, "between", 7, NULL) == FIREHOSE_OK);
    CHECK(firehose_result_record_id(r) == id && strcmp(copy, id) == 0);

    CHECK_STATUS(FIREHOSE_OK, firehose_put_record_batch(c, stream, three, 3, r), r);
    CHECK(firehose_result_record_count(r) == 3 && firehose_result_failed_count(r) == 0);
    for (size_t i = 0; i < 3; i++) CHECK(*firehose_result_record_id_at(r, i) != '\0');
    CHECK(*firehose_result_record_id_at(r, 3) == '\0');

    CHECK_STATUS(FIREHOSE_INVALID_ARGUMENT, firehose_put_record(c, "not/a/stream", "x", 1, r), r);
    CHECK(firehose_result_http_status(r) == 0 && *firehose_result_request_id(r) == '\0');
    CHECK(firehose_result_attempts(r) == 0 && *firehose_result_error_code(r) == '\0');
    nothing_of_a_success(r);

    CHECK_STATUS(FIREHOSE_OK, put_in_a_thread(&good), r);
    nothing_of_a_failure(r);
    CHECK_STATUS(FIREHOSE_OK, firehose_client_describe(c, r), r);
    CHECK(*firehose_result_record_id(r) == '\0' && firehose_result_body(r, NULL)[0] == '{');
    CHECK_STATUS(FIREHOSE_OK, firehose_put_record(c, stream, "again", 5, r), r);
    nothing_of_a_failure(r);
}

static void blobs(firehose_client *c, firehose_result *r) {
    const char *stream = test_stream();
    unsigned char *blob = malloc(MOST + 1), every[256];
    CHECK(blob != NULL);
    for (int i = 0; i < 256; i++) every[i] = (unsigned char)i;
    for (int i = 0; i <= MOST; i++) blob[i] = (unsigned char)(i * 131 >> 3);
    CHECK_STATUS(FIREHOSE_OK, firehose_put_record(c, stream, NULL, 0, r), r);
    CHECK_STATUS(FIREHOSE_OK, firehose_put_record(c, stream, "", 0, r), r);
    CHECK_STATUS(FIREHOSE_OK, firehose_put_record(c, stream, every, sizeof every, r), r);
    CHECK_STATUS(FIREHOSE_OK, firehose_put_record(c, stream, blob, MOST, r), r);
    CHECK_STATUS(FIREHOSE_INVALID_ARGUMENT, firehose_put_record(c, stream, blob, MOST + 1, r), r);
    CHECK_CONTAINS(firehose_result_message(r), "1024000");
    CHECK_CONTAINS(firehose_result_message(r), "1024001");
    const firehose_record mixed[4] = {{NULL, 0}, {every, sizeof every}, {blob, MOST}, {"", 0}};
    CHECK_STATUS(FIREHOSE_OK, firehose_put_record_batch(c, stream, mixed, 4, r), r);
    free(blob);
}

int main(void) {
    firehose_result *r = firehose_result_new();
    firehose_client *c = new_client(NULL);
    reuse(c, r);
    blobs(c, r);
    firehose_free(c);
    firehose_result_free(r);
    return 0;
}
