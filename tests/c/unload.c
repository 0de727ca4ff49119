/* dlopen, a call in a thread, dlclose while that thread lives, the thread's end: a hundred times. Argument: the
 * shared object. This program is not linked with the library. */
#include "check.h"

#include <dlfcn.h>
#include <pthread.h>

static void *library;
static pthread_barrier_t called, closed;

/* A function pointer of the right type: ISO C has no cast from dlsym's. */
#define FIND(name)                                                                                                    \
    __typeof__(&name) name##_;                                                                                        \
    *(void **)&name##_ = dlsym(library, #name);                                                                       \
    CHECK(name##_ != NULL)

static void *work(void *arg) {
    FIND(firehose_config_new);
    FIND(firehose_config_set);
    FIND(firehose_config_free);
    FIND(firehose_client_new);
    FIND(firehose_put_record);
    FIND(firehose_free);
    firehose_config *config = firehose_config_new_();
    firehose_client *client = NULL;
    (void)arg;
    CHECK(firehose_config_set_(config, "endpoint", required("FIREHOSE_TEST_ENDPOINT"), NULL) == FIREHOSE_OK);
    CHECK(firehose_client_new_(config, &client, NULL) == FIREHOSE_OK);
    firehose_config_free_(config);
    CHECK(firehose_put_record_(client, test_stream(), "x", 1, NULL) == FIREHOSE_OK);
    firehose_free_(client);
    pthread_barrier_wait(&called);
    pthread_barrier_wait(&closed);
    return NULL;
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    CHECK(pthread_barrier_init(&called, NULL, 2) == 0 && pthread_barrier_init(&closed, NULL, 2) == 0);
    for (int i = 0; i < scaled(100); i++) {
        pthread_t thread;
        library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        if (library == NULL) FAIL("%s", dlerror());
        CHECK(pthread_create(&thread, NULL, work, NULL) == 0);
        pthread_barrier_wait(&called);
        CHECK(dlclose(library) == 0);
        pthread_barrier_wait(&closed);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    return 0;
}
