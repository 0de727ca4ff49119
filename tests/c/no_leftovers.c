/* A client that is freed leaves no descriptor and no thread, ten thousand times. */
#include "check.h"

int main(void) {
    firehose_result *r = firehose_result_new();
    const int rounds = scaled(10000);
    int descriptors = 0, threads = 0;
    for (int i = 0; i < rounds; i++) {
        firehose_client *c = new_client(NULL);
        CHECK_STATUS(FIREHOSE_OK, firehose_put_record(c, test_stream(), "x", 1, r), r);
        firehose_free(c);
        if (i == 0) {
            descriptors = open_descriptors();
            threads = running_threads();
        }
    }
    if (open_descriptors() > descriptors) FAIL("%d descriptors, %d after the first round", open_descriptors(), descriptors);
    /* A thread that looks names up may outlive its client for as long as the lookup takes. */
    for (int i = 0; i < 100 && running_threads() > threads; i++) sleep_ms(20);
    if (running_threads() > 1) FAIL("%d threads are left", running_threads());
    firehose_result_free(r);
    printf("rounds %d\n", rounds);
    return 0;
}
