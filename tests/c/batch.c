/* A batch resends only what failed, and every index keeps its record. First argument: `healed`, when the server
 * throttles 100 of 500 records twice, or `final`, when it never stops throttling the first 100. */
#include "check.h"

enum { RECORDS = 500, THROTTLED = 100 };

int main(int argc, char **argv) {
    static char text[RECORDS][16], ids[RECORDS][512];
    firehose_record records[RECORDS];
    firehose_result *r = firehose_result_new();
    CHECK(argc == 2);
    const int final = strcmp(argv[1], "final") == 0;
    firehose_client *c = new_client("max_attempts", "3", NULL);
    for (int i = 0; i < RECORDS; i++) records[i] = (firehose_record){text[i], (size_t)sprintf(text[i], "record-%d", i)};

    int32_t status = firehose_put_record_batch(c, test_stream(), records, RECORDS, r);
    CHECK_STATUS(final ? FIREHOSE_PARTIAL_FAILURE : FIREHOSE_OK, status, r);
    CHECK(firehose_result_record_count(r) == RECORDS);
    CHECK(firehose_result_failed_count(r) == (final ? THROTTLED : 0));
    CHECK(firehose_result_attempts(r) == 3);
    for (size_t i = 0; i < RECORDS; i++) {
        const int failed = final && i < THROTTLED;
        const char *id = firehose_result_record_id_at(r, i), *code = firehose_result_error_code_at(r, i);
        const char *message = firehose_result_error_message_at(r, i);
        CHECK((*id == '\0') == failed);
        CHECK(strcmp(code, failed ? "ServiceUnavailableException" : "") == 0);
        CHECK(strcmp(message, failed ? "Slow down." : "") == 0);
        CHECK(strlen(id) < sizeof ids[i]);
        strcpy(ids[i], id);
        for (size_t j = 0; !failed && j < i; j++) CHECK(strcmp(ids[j], id) != 0);
        /* The server's answer is told to the caller under the caller's index: the harness compares. */
        if (!failed) printf("id\t%zu\t%s\n", i, id);
    }
    if (final) {
        CHECK_CONTAINS(firehose_result_message(r), "100");
        CHECK_CONTAINS(firehose_result_message(r), "500");
        CHECK(firehose_result_retryable(r));
    } else {
        CHECK(*firehose_result_message(r) == '\0');
    }
    /* Nothing of the failures is left in the result of the next call. */
    CHECK(final || firehose_put_record(c, test_stream(), "next", 4, r) == FIREHOSE_OK);
    CHECK(final || firehose_result_record_count(r) <= 1);
    firehose_free(c);
    firehose_result_free(r);
    return 0;
}
