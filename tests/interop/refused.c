/*
 * refused: puts a record and a batch that the server must refuse, each with the status "access denied", and
 * prints what a person would be told. The caller of this program knows which code its server gives.
 */
#include "interop.h"

static void print_refusal(const char *call, firehose_status status, const firehose_result *result) {
    if (status != FIREHOSE_ACCESS_DENIED)
        FAIL("%s: %s instead of FIREHOSE_ACCESS_DENIED: %s", call, firehose_status_name(status),
             firehose_result_message(result));
    CHECK(firehose_result_status(result) == status);
    CHECK(!firehose_result_retryable(result));
    CHECK(firehose_result_message(result)[0] != '\0');
    CHECK(strstr(firehose_result_message(result), required("AWS_SECRET_ACCESS_KEY")) == NULL);
    printf("%s.code %s\n", call, firehose_result_error_code(result));
    printf("%s.http %d\n", call, (int)firehose_result_http_status(result));
    printf("%s.message %s\n", call, firehose_result_message(result));
}

int main(void) {
    firehose_client *client = asked_for_client();
    firehose_result *result = firehose_result_new();
    firehose_record records[2] = {{"one\n", 4}, {"two\n", 4}};
    print_refusal("put_record", firehose_put_record(client, test_stream(), "one\n", 4, result), result);
    print_refusal("put_record_batch", firehose_put_record_batch(client, test_stream(), records, 2, result), result);
    firehose_result_free(result);
    firehose_free(client);
    return 0;
}
