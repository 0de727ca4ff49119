/* The service's limits are checked before anything is sent; a refusal names the limit, the value and the index. */
#include "check.h"

#define REFUSED(call, ...)                                                                                            \
    do {                                                                                                              \
        const char *parts_[] = {__VA_ARGS__};                                                                         \
        CHECK_STATUS(FIREHOSE_INVALID_ARGUMENT, call, r);                                                             \
        CHECK(firehose_result_attempts(r) == 0 && firehose_result_http_status(r) == 0);                               \
        for (size_t i_ = 0; i_ < sizeof parts_ / sizeof *parts_; i_++)                                                \
            CHECK_CONTAINS(firehose_result_message(r), parts_[i_]);                                                   \
    } while (0)

static firehose_result *r;
static firehose_client *c;

static void names(void) {
    static const char *const bad[] = {"", "a b", "a/b", "name:x", "\xc3\xa9", "a\n", "stream?"};
    static const char *const good[] = {"a", "A.b_c-9", ".", "-"};
    char longest[66];
    memset(longest, 'n', sizeof longest);
    longest[65] = '\0';
    REFUSED(firehose_put_record(c, longest, "x", 1, r), "64", "65");
    longest[64] = '\0';
    CHECK_STATUS(FIREHOSE_NOT_FOUND, firehose_put_record(c, longest, "x", 1, r), r);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) REFUSED(firehose_put_record(c, bad[i], "x", 1, r), "stream");
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        CHECK_STATUS(FIREHOSE_NOT_FOUND, firehose_put_record(c, good[i], "x", 1, r), r);
}

static void batches(void) {
    const char *stream = test_stream();
    firehose_record *records = calloc(501, sizeof *records);
    char *blob = calloc(1, 1024001);
    CHECK(records != NULL && blob != NULL);
    for (int i = 0; i < 501; i++) records[i] = (firehose_record){"x", 1};
    REFUSED(firehose_put_record_batch(c, stream, records, 0, r), "500", "0");
    REFUSED(firehose_put_record_batch(c, stream, NULL, 0, r), "500", "0");
    REFUSED(firehose_put_record_batch(c, stream, records, 501, r), "500", "501");
    records[7] = (firehose_record){blob, 1024001};
    REFUSED(firehose_put_record_batch(c, stream, records, 20, r), "1024000", "1024001", "7");
    /* 4 * 1,024,000 + 98,304 = 4,194,304 */
    for (int i = 0; i < 4; i++) records[i] = (firehose_record){blob, 1024000};
    records[4] = (firehose_record){blob, 98305};
    REFUSED(firehose_put_record_batch(c, stream, records, 5, r), "4194304", "4194305");
    records[4].len = 98304;
    if (getenv("FIREHOSE_TEST_NO_PUTS") == NULL) {
        CHECK_STATUS(FIREHOSE_OK, firehose_put_record_batch(c, stream, records, 5, r), r);
        CHECK(firehose_result_record_count(r) == 5);
        for (int i = 0; i < 500; i++) records[i] = (firehose_record){"x", 1};
        CHECK_STATUS(FIREHOSE_OK, firehose_put_record_batch(c, stream, records, 500, r), r);
        CHECK(firehose_result_record_count(r) == 500);
    }
    free(blob);
    free(records);
}

int main(void) {
    r = firehose_result_new();
    c = new_client(NULL);
    if (getenv("FIREHOSE_TEST_NO_PUTS") == NULL) names();
    batches();
    firehose_free(c);
    firehose_result_free(r);
    return 0;
}
