/* Sixteen threads on one client: every record arrives once, and no thread hears another's answer. */
#include "check.h"

#include <pthread.h>

enum { THREADS = 16 };

static firehose_client *client;
static const char *stream;
static int puts_each;

static void *work(void *arg) {
    firehose_result *r = firehose_result_new();
    char first[64], second[64];
    const int thread = (int)(size_t)arg;
    CHECK(r != NULL);
    for (int i = 0; i < puts_each; i++) {
        int one = snprintf(first, sizeof first, "t%d-%d", thread, i);
        if (i % 10 == 0) {
            int two = snprintf(second, sizeof second, "t%d-%d-batch", thread, i);
            const firehose_record batch[2] = {{first, (size_t)one}, {second, (size_t)two}};
            CHECK_STATUS(FIREHOSE_OK, firehose_put_record_batch(client, stream, batch, 2, r), r);
            CHECK(firehose_result_record_count(r) == 2);
        } else if (i % 10 == 1) {
            CHECK_STATUS(FIREHOSE_NOT_FOUND, firehose_put_record(client, first, "x", 1, r), r);
            CHECK_CONTAINS(firehose_result_message(r), first);
            CHECK_STATUS(FIREHOSE_OK, firehose_put_record(client, stream, first, (size_t)one, r), r);
        } else {
            CHECK_STATUS(FIREHOSE_OK, firehose_put_record(client, stream, first, (size_t)one, r), r);
            CHECK(*firehose_result_record_id(r) != '\0');
        }
    }
    firehose_result_free(r);
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS];
    client = new_client(NULL);
    stream = test_stream();
    puts_each = scaled(500);
    for (size_t i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
    for (size_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    firehose_free(client);
    printf("puts_each %d\n", puts_each);
    return 0;
}
