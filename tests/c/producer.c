/* producer MODE [OPTION=VALUE ...]: puts from several threads, and a count of what the producer says became of them. */
#include "check.h"

#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 8 };

static firehose_producer *producer;
static int each;
static unsigned char *seen;

static void *put(void *arg) {
    const int thread = (int)(size_t)arg;
    for (int i = 0; i < each; i++) {
        char line[64];
        int len = sprintf(line, "line-%d-%d\n", thread, i);
        firehose_status status = firehose_producer_put(producer, line, (size_t)len, (uint64_t)(thread * each + i), -1);
        if (status != FIREHOSE_OK) FAIL("%s", firehose_status_name(status));
    }
    return NULL;
}

static size_t drain(int timeout_ms, size_t *failed) {
    static firehose_delivery deliveries[4096];
    size_t count = firehose_producer_poll(producer, deliveries, 4096, timeout_ms);
    for (size_t i = 0; i < count; i++) {
        const firehose_delivery *d = &deliveries[i];
        CHECK(d->tag < (uint64_t)(THREADS * each));
        if (seen[d->tag]++) FAIL("two reports for %llu", (unsigned long long)d->tag);
        CHECK((d->status == FIREHOSE_OK) == (d->error_code[0] == '\0'));
        CHECK(d->attempts > 0 || d->status != FIREHOSE_OK);
        *failed += d->status != FIREHOSE_OK;
    }
    return count;
}

static firehose_stats stats(void) {
    firehose_stats s = {.struct_size = sizeof s};
    CHECK(firehose_producer_stats(producer, &s) == FIREHOSE_OK);
    return s;
}

/* One report for each put. */
static void reports(firehose_result *r) {
    pthread_t threads[THREADS];
    size_t got = 0, failed = 0;
    for (size_t i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, put, (void *)i) == 0);
    struct pollfd ready = {.fd = firehose_producer_fd(producer), .events = POLLIN};
    CHECK(ready.fd >= 0);
    while (got < (size_t)(THREADS * each)) {
        CHECK(poll(&ready, 1, 60000) == 1);
        size_t count = drain(0, &failed);
        CHECK(count > 0);
        got += count;
    }
    for (size_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    CHECK(poll(&ready, 1, 0) == 0);
    firehose_status status = firehose_producer_close(producer, 60000, r);
    CHECK(status == (failed ? FIREHOSE_PARTIAL_FAILURE : FIREHOSE_OK));
    CHECK(firehose_result_record_count(r) + firehose_result_failed_count(r) == got);
    CHECK(firehose_result_failed_count(r) == failed);
    CHECK(stats().used_bytes == 0 && stats().reports == 0);
    printf("reports %zu\nfailed %zu\nretried %llu\n", got, failed, (unsigned long long)stats().retried);
}

/* Nobody asks for reports: nothing is left to fetch, and flush sums up. */
static void silent(firehose_result *r) {
    pthread_t threads[THREADS];
    CHECK(firehose_producer_fd(producer) == -1);
    for (size_t i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, put, (void *)i) == 0);
    for (size_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    firehose_status status = firehose_producer_flush(producer, 60000, r);
    printf("flush %s\n%s\n", firehose_status_name(status), firehose_result_message(r));
    firehose_stats s = stats();
    CHECK(s.records == (uint64_t)(THREADS * each) && s.records == s.delivered + s.failed && s.used_bytes == 0);
    CHECK(firehose_result_record_count(r) == s.delivered);
    CHECK(firehose_producer_flush(producer, 0, r) == FIREHOSE_OK && firehose_result_record_count(r) == 0);
}

/* The endpoint does not answer: puts are refused at the bound, flush and close come back. */
static void full(firehose_result *r) {
    static char big[100000];
    int taken = 0;
    while (firehose_producer_put(producer, big, sizeof big, 1, 0) == FIREHOSE_OK) taken++;
    CHECK(taken > 10 && stats().used_bytes <= 2u << 20);
    double start = now_ms();
    CHECK(firehose_producer_put(producer, big, sizeof big, 1, 0) == FIREHOSE_QUEUE_FULL);
    CHECK(now_ms() - start < 50);
    start = now_ms();
    CHECK(firehose_producer_put(producer, big, sizeof big, 1, 200) == FIREHOSE_QUEUE_FULL);
    CHECK(now_ms() - start >= 200 && now_ms() - start < 400);
    start = now_ms();
    CHECK(firehose_producer_flush(producer, 200, r) == FIREHOSE_TIMEOUT);
    CHECK(now_ms() - start >= 200 && now_ms() - start < 400);
    CHECK(*firehose_result_message(r) != '\0');
    start = now_ms();
    CHECK(firehose_producer_close(producer, 200, r) == FIREHOSE_TIMEOUT);
    CHECK(now_ms() - start < 400);
    CHECK(firehose_producer_put(producer, big, 1, 1, -1) == FIREHOSE_CLOSED);
    CHECK(stats().failed == (uint64_t)taken && stats().queued == 0 && stats().in_flight == 0);
}

/* The child has a queue of its own; the parent's records are delivered by the parent alone. */
static void forked(firehose_result *r) {
    CHECK(firehose_producer_put(producer, "parent\n", 7, 0, 0) == FIREHOSE_OK);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK(stats().records == 0);
        CHECK(firehose_producer_put(producer, "child\n", 6, 1, 0) == FIREHOSE_OK);
        CHECK(firehose_producer_flush(producer, 20000, r) == FIREHOSE_OK);
        CHECK(firehose_result_record_count(r) == 1);
        firehose_producer_free(producer);
        exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(firehose_producer_flush(producer, 20000, r) == FIREHOSE_OK);
}

static double cpu_ms(void) {
    struct rusage usage;
    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

/* Of this program alone: what getrusage tells includes the process that it was started from. */
static long peak_kib(void) {
    char line[256];
    long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    CHECK(status != NULL);
    while (fgets(line, sizeof line, status) != NULL) sscanf(line, "VmHWM: %ld", &kib);
    fclose(status);
    CHECK(kib > 0);
    return kib;
}

/* Everything is throttled for as long as the test says, then nothing is. */
static void throttled(firehose_result *r) {
    char line[200];
    memset(line, 'x', sizeof line);
    const int seconds = atoi(required("FIREHOSE_TEST_SECONDS"));
    uint64_t taken = 0;
    while (firehose_producer_put(producer, line, sizeof line, 0, 0) == FIREHOSE_OK) taken++;
    const double begin = now_ms(), used = cpu_ms();
    double slowest = 0, total = 0;
    int refused = 0;
    while (now_ms() - begin < seconds * 1e3) {
        const double start = now_ms();
        firehose_status status = firehose_producer_put(producer, line, sizeof line, 0, 0);
        const double took = now_ms() - start;
        if (status == FIREHOSE_OK) taken++;
        else {
            CHECK(status == FIREHOSE_QUEUE_FULL);
            slowest = took > slowest ? took : slowest;
            total += took;
            refused++;
        }
        sleep_ms(5);
    }
    printf("refused %d\nmean_us %.1f\nslowest_us %.0f\ncpu_share %.4f\npeak_kib %ld\nrequests %llu\n", refused,
           total / refused * 1e3, slowest * 1e3, (cpu_ms() - used) / (now_ms() - begin), peak_kib(),
           (unsigned long long)stats().requests);
    fflush(stdout);
    /* The test ends the throttling now. */
    CHECK_STATUS(FIREHOSE_OK, firehose_producer_flush(producer, 120000, r), r);
    CHECK(stats().delivered == taken && stats().failed == 0);
    printf("delivered %llu\n", (unsigned long long)taken);
}

/* Puts as fast as they are taken, and once a second what was delivered and throttled by then. */
static void paced(void) {
    char line[200];
    memset(line, 'x', sizeof line);
    const int seconds = atoi(required("FIREHOSE_TEST_SECONDS"));
    const double begin = now_ms();
    for (int second = 1; second <= seconds; second++) {
        while (now_ms() - begin < second * 1e3) firehose_producer_put(producer, line, sizeof line, 0, 20);
        firehose_stats s = stats();
        printf("second %d %llu %llu %llu\n", second, (unsigned long long)s.delivered_bytes,
               (unsigned long long)s.delivered, (unsigned long long)s.throttled);
        fflush(stdout);
    }
    firehose_producer_close(producer, 0, NULL);
}

/* What lines of 200 bytes are billed as. */
static void billed(firehose_result *r) {
    char line[200];
    memset(line, 'x', sizeof line);
    for (int i = 0; i < 102500; i++) CHECK(firehose_producer_put(producer, line, 199, 0, -1) == FIREHOSE_OK);
    CHECK_STATUS(FIREHOSE_OK, firehose_producer_flush(producer, 60000, r), r);
    firehose_stats s = stats();
    printf("bytes %llu\nbilled_bytes %llu\nrequests %llu\n", (unsigned long long)s.delivered_bytes,
           (unsigned long long)s.billed_bytes, (unsigned long long)s.requests);
}

static void arguments(firehose_result *r) {
    firehose_stats s = {.struct_size = 8};
    firehose_delivery d;
    CHECK(firehose_producer_put(NULL, "x", 1, 0, 0) == FIREHOSE_INVALID_ARGUMENT);
    CHECK(firehose_producer_put(producer, NULL, 1, 0, 0) == FIREHOSE_INVALID_ARGUMENT);
    CHECK(firehose_producer_stats(producer, &s) == FIREHOSE_INVALID_ARGUMENT);
    CHECK(firehose_producer_stats(producer, NULL) == FIREHOSE_INVALID_ARGUMENT);
    CHECK(firehose_producer_stats(NULL, &s) == FIREHOSE_INVALID_ARGUMENT);
    CHECK(firehose_producer_poll(NULL, &d, 1, 0) == 0 && firehose_producer_poll(producer, NULL, 1, 0) == 0);
    CHECK(firehose_producer_fd(NULL) == -1);
    CHECK(firehose_producer_flush(NULL, 0, r) == FIREHOSE_INVALID_ARGUMENT);
    CHECK(firehose_producer_close(NULL, 0, NULL) == FIREHOSE_INVALID_ARGUMENT);
    CHECK(firehose_producer_new(NULL, "s", NULL, NULL, r) == FIREHOSE_INVALID_ARGUMENT);
    firehose_producer_free(NULL);
    static char big[1024001];
    CHECK(firehose_producer_put(producer, big, 1024001, 0, 0) == FIREHOSE_INVALID_ARGUMENT);
    CHECK(firehose_producer_put(producer, big, 1024000, 0, 0) == FIREHOSE_OK);
}

int main(int argc, char **argv) {
    firehose_result *r = firehose_result_new();
    firehose_config *config = firehose_config_new();
    for (int i = 2; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        CHECK(value != NULL);
        *value++ = '\0';
        if (firehose_config_set(config, argv[i], value, r) != FIREHOSE_OK) FAIL("%s", firehose_result_message(r));
    }
    firehose_client *client = new_client("connect_timeout_ms", "1000", "read_timeout_ms", "2000", NULL);
    if (firehose_producer_new(client, test_stream(), config, &producer, r) != FIREHOSE_OK)
        FAIL("%s", firehose_result_message(r));
    firehose_config_free(config);
    firehose_free(client);
    const char *puts_ = getenv("FIREHOSE_TEST_PUTS");
    each = (puts_ != NULL ? atoi(puts_) : scaled(argc > 1 && strcmp(argv[1], "reports") == 0 ? 100000 : 20000)) / THREADS;
    seen = calloc((size_t)(THREADS * each), 1);
    CHECK(seen != NULL);
    if (strcmp(argv[1], "reports") == 0) reports(r);
    else if (strcmp(argv[1], "silent") == 0) silent(r);
    else if (strcmp(argv[1], "full") == 0) full(r);
    else if (strcmp(argv[1], "forked") == 0) forked(r);
    else if (strcmp(argv[1], "throttled") == 0) throttled(r);
    else if (strcmp(argv[1], "paced") == 0) paced();
    else if (strcmp(argv[1], "billed") == 0) billed(r);
    else arguments(r);
    firehose_producer_free(producer);
    firehose_result_free(r);
    free(seen);
    return 0;
}
