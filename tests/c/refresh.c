/* refresh PUTS PAUSE_MS SLOW_MS: eight threads share the puts, with a pause after each. Prints how many failed, how
 * many took SLOW_MS or longer, and how long it all took. */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 8 };

static firehose_client *client;
static const char *stream;
static long each, pause_ms, slow_ms;
static atomic_long failed, slow;

static void *work(void *arg) {
    firehose_result *r = firehose_result_new();
    (void)arg;
    for (long i = 0; i < each; i++) {
        double start = now_ms();
        if (firehose_put_record(client, stream, "x", 1, r) != FIREHOSE_OK && atomic_fetch_add(&failed, 1) == 0)
            printf("first failure: %s\n", firehose_result_message(r));
        if (now_ms() - start >= (double)slow_ms) atomic_fetch_add(&slow, 1);
        sleep_ms(pause_ms);
    }
    firehose_result_free(r);
    return NULL;
}

int main(int argc, char **argv) {
    pthread_t threads[THREADS];
    CHECK(argc == 4);
    each = strtol(argv[1], NULL, 10) / THREADS;
    pause_ms = strtol(argv[2], NULL, 10);
    slow_ms = strtol(argv[3], NULL, 10);
    client = new_client("max_attempts", "1", NULL);
    stream = test_stream();
    double start = now_ms();
    for (size_t i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, work, NULL) == 0);
    for (size_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    printf("elapsed_ms %.0f\nfailed %ld\nslow %ld\n", now_ms() - start, atomic_load(&failed), atomic_load(&slow));
    firehose_free(client);
    return 0;
}
