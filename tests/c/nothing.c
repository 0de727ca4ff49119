/* A client where nothing is set up: how long it takes to make, and what its first put says. */
#include "check.h"

int main(void) {
    firehose_result *r = firehose_result_new();
    firehose_client *c = NULL;
    double start = now_ms();
    CHECK_STATUS(FIREHOSE_OK, firehose_client_new(NULL, &c, r), r);
    printf("made_ms %.2f\n", now_ms() - start);
    start = now_ms();
    int32_t status = firehose_put_record(c, test_stream(), "x", 1, r);
    printf("put_ms %.0f\nstatus %d\nmessage %s\n", now_ms() - start, (int)status, firehose_result_message(r));
    firehose_free(c);
    firehose_result_free(r);
    return 0;
}
