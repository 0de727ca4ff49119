/* What a put costs once everything is warm: threads, allocations, looks at the environment. Runs with count.so
 * preloaded. */
#define _GNU_SOURCE
#include "check.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>

extern char **environ;
static atomic_long *getenvs, *threads, *allocations;
static atomic_int stop;
static firehose_client *client;
static const char *stream;

static atomic_long *counter(const char *name) {
    atomic_long *found = dlsym(RTLD_DEFAULT, name);
    if (found == NULL) FAIL("%s is not there: count.so is not preloaded", name);
    return found;
}

static unsigned long environment_hash(void) {
    unsigned long hash = 5381;
    for (char **e = environ; *e != NULL; e++)
        for (const char *p = *e; *p != '\0'; p++) hash = hash * 33 + (unsigned char)*p;
    return hash;
}

static void *change_the_environment(void *arg) {
    char name[32];
    (void)arg;
    for (int i = 0; !atomic_load(&stop); i++) {
        snprintf(name, sizeof name, "HOST_VARIABLE_%d", i % 500);
        setenv(name, "a value of the host that is moved about", 1);
        setenv("AWS_REGION", i % 2 ? "eu-west-1" : "us-west-2", 1);
        setenv("AWS_SECRET_ACCESS_KEY", "changed", 1);
        if (i % 3 == 0) unsetenv(name);
    }
    return NULL;
}

/* Keys and region were read when the client was made: what the host does to its environment later is its own. */
static void moving_environment(firehose_result *r) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, change_the_environment, NULL) == 0);
    for (int i = 0; i < scaled(2000); i++)
        CHECK_STATUS(FIREHOSE_OK, firehose_put_record(client, stream, "moving", 6, r), r);
    atomic_store(&stop, 1);
    pthread_join(thread, NULL);
}

int main(int argc, char **argv) {
    firehose_result *r = firehose_result_new();
    const int count = scaled(10000);
    char data[1024];
    memset(data, 'x', sizeof data);
    CHECK(argc == 2);
    getenvs = counter("count_getenv");
    threads = counter("count_threads");
    allocations = counter("count_allocations");
    stream = test_stream();
    long before = atomic_load(getenvs);
    CHECK(getenv("HOME") != NULL && atomic_load(getenvs) == before + 1);
    void *volatile block = malloc(10);
    free(block);
    CHECK(atomic_load(allocations) > 0);

    const unsigned long hash = environment_hash();
    char **const where = environ;
    client = new_client(NULL);
    atomic_store(getenvs, 0);
    atomic_store(threads, 0);
    CHECK_STATUS(FIREHOSE_OK, firehose_put_record(client, stream, data, sizeof data, r), r);
    for (int i = 0; i < 100; i++) firehose_put_record(client, stream, data, sizeof data, r);

    atomic_store(allocations, 0);
    for (int i = 0; i < count; i++) {
        if (firehose_put_record(client, stream, data, sizeof data, r) != FIREHOSE_OK)
            FAIL("put %d: %s", i, firehose_result_message(r));
    }
    long allocated = atomic_load(allocations);

    firehose_record batch[100];
    for (int i = 0; i < 100; i++) batch[i] = (firehose_record){data, 100};
    for (int i = 0; i < 5; i++)
        CHECK_STATUS(FIREHOSE_OK, firehose_put_record_batch(client, stream, batch, 100, r), r);
    atomic_store(allocations, 0);
    for (int i = 0; i < 100; i++)
        CHECK_STATUS(FIREHOSE_OK, firehose_put_record_batch(client, stream, batch, 100, r), r);
    long allocated_by_batches = atomic_load(allocations);

    if (atomic_load(getenvs) != 0) FAIL("%ld looks at the environment after firehose_client_new", atomic_load(getenvs));
    CHECK(environ == where && environment_hash() == hash);
    printf("threads_started %ld\n", atomic_load(threads));
    printf("allocations_per_put %.3f\n", (double)allocated / count);
    printf("allocations_per_batch_of_100 %.3f\n", (double)allocated_by_batches / 100);
    if (strcmp(argv[1], "moving") == 0) moving_environment(r);
    firehose_free(client);
    firehose_result_free(r);
    return 0;
}
