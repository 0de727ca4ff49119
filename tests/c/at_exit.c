/* Calls from atexit, while another thread is still putting. */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>

static firehose_client *shared, *own;
static atomic_long puts_done;

static void *work(void *arg) {
    for (;;)
        if (firehose_put_record(shared, test_stream(), "background", 10, NULL) == FIREHOSE_OK)
            atomic_fetch_add(&puts_done, 1);
    return arg;
}

static void at_exit(void) {
    firehose_result *r = firehose_result_new();
    firehose_client *late = new_client(NULL);
    CHECK_STATUS(FIREHOSE_OK, firehose_put_record(own, test_stream(), "atexit", 6, r), r);
    CHECK_STATUS(FIREHOSE_OK, firehose_put_record(late, test_stream(), "made at exit", 12, r), r);
    firehose_free(own);
    firehose_free(late);
    firehose_result_free(r);
}

int main(void) {
    pthread_t thread;
    shared = new_client(NULL);
    own = new_client(NULL);
    CHECK(atexit(at_exit) == 0);
    CHECK(firehose_put_record(own, test_stream(), "main", 4, NULL) == FIREHOSE_OK);
    CHECK(pthread_create(&thread, NULL, work, NULL) == 0);
    while (atomic_load(&puts_done) < 20) sleep_ms(1);
    exit(0);
}
