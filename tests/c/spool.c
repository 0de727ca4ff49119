/* spool MODE DIR [OPTION=VALUE ...]: a producer whose records outlive it.
 *
 *   kills    children put lines and are killed with SIGKILL at random instants, FIREHOSE_TEST_KILLS times; what their
 *            puts had answered with OK is counted in memory that outlives them, and printed; then all is delivered
 *   drain    delivers what the spool holds
 *   basics   what is left at close is there for the next; locks; forks
 *   speed    how long a put takes, and how long a spool takes to open */
#include "check.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { THREADS = 2, MAX_KILLS = 1000 };

#include <pthread.h>

typedef struct { _Atomic unsigned ok[THREADS]; _Atomic unsigned in_flight; } round_counts;

static firehose_client *client;
static firehose_config *config;
static firehose_producer *producer;
static round_counts *counts;
static int kill_round;

static firehose_producer *open_producer(void) {
    firehose_result *r = firehose_result_new();
    firehose_producer *made = NULL;
    CHECK_STATUS(FIREHOSE_OK, firehose_producer_new(client, test_stream(), config, &made, r), r);
    firehose_result_free(r);
    return made;
}

static firehose_stats stats(void) {
    firehose_stats s = {.struct_size = sizeof s};
    CHECK(firehose_producer_stats(producer, &s) == FIREHOSE_OK);
    return s;
}

static void *put_lines(void *arg) {
    const int thread = (int)(size_t)arg;
    for (unsigned i = 0;; i++) {
        char line[64];
        int len = snprintf(line, sizeof line, "line-%d-%d-%u\n", kill_round, thread, i);
        firehose_status status = firehose_producer_put(producer, line, (size_t)len, 0, -1);
        if (status != FIREHOSE_OK) FAIL("put: %s", firehose_status_name(status));
        counts[kill_round].ok[thread] = i + 1;
        if (i % 16 == 15) sleep_ms(1);
    }
    return NULL;
}

static void put_until_killed(void) {
    producer = open_producer();
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, put_lines, (void *)1) == 0);
    put_lines((void *)0);
}

static void drain(void) {
    firehose_result *r = firehose_result_new();
    producer = open_producer();
    int32_t status = firehose_producer_close(producer, 120000, r);
    firehose_stats s = stats();
    printf("recovered %llu\ndelivered %llu\ndamaged %llu\n", (unsigned long long)s.recovered,
           (unsigned long long)s.delivered, (unsigned long long)s.spool_damaged);
    if (status != FIREHOSE_OK) FAIL("close: %s", firehose_result_message(r));
    CHECK(s.spooled == 0);
    firehose_producer_free(producer);
    firehose_result_free(r);
}

static void kills(void) {
    const int rounds = atoi(required("FIREHOSE_TEST_KILLS"));
    const char *longest = getenv("FIREHOSE_TEST_LONGEST_MS");
    const unsigned span = (unsigned)(longest == NULL ? 60 : atoi(longest)) * 1000;
    CHECK(rounds <= MAX_KILLS);
    counts = mmap(NULL, sizeof *counts * MAX_KILLS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(counts != MAP_FAILED);
    unsigned seed = 20261124;
    for (kill_round = 0; kill_round < rounds; kill_round++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) put_until_killed();
        seed = seed * 1103515245 + 12345;
        const unsigned us = 2000 + (seed >> 8) % span;
        const double until = now_ms() + us / 1000.0;
        while (now_ms() < until) sleep_ms(1);
        int status;
        if (waitpid(child, &status, WNOHANG) == child) FAIL("the child of round %d ended by itself", kill_round);
        CHECK(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);
        if (!WIFSIGNALED(status)) FAIL("the child of round %d ended by itself", kill_round);
    }
    unsigned long all = 0;
    for (int i = 0; i < rounds; i++)
        for (int t = 0; t < THREADS; t++) {
            printf("ok %d %d %u\n", i, t, counts[i].ok[t]);
            all += counts[i].ok[t];
        }
    printf("puts %lu\n", all);
}

static void basics(void) {
    firehose_result *r = firehose_result_new();
    producer = open_producer();
    for (int i = 0; i < 100; i++) CHECK(firehose_producer_put(producer, "kept\n", 5, 0, 0) == FIREHOSE_OK);
    /* A second one is told who has the folder. */
    firehose_producer *second = NULL;
    CHECK_STATUS(FIREHOSE_SPOOL_FAILED, firehose_producer_new(client, test_stream(), config, &second, r), r);
    CHECK(second == NULL);
    CHECK_CONTAINS(firehose_result_message(r), "%p");
    /* So is a child, which must not touch what its parent has. */
    pid_t child = fork();
    if (child == 0) {
        CHECK(firehose_producer_put(producer, "child\n", 6, 0, 0) == FIREHOSE_SPOOL_FAILED);
        firehose_producer_free(producer);
        firehose_free(client);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    firehose_stats s = stats();
    CHECK(s.records == 100 && s.spooled == 100 && s.spool_bytes > 0);
    /* The endpoint hangs: close comes back in time and says where the records are. */
    double begin = now_ms();
    CHECK_STATUS(FIREHOSE_TIMEOUT, firehose_producer_close(producer, 200, r), r);
    CHECK(now_ms() - begin < 1000);
    CHECK_CONTAINS(firehose_result_message(r), "100 left in the spool");
    CHECK(stats().spooled == 100);
    CHECK(firehose_producer_put(producer, "late\n", 5, 0, 0) == FIREHOSE_CLOSED);
    /* The folder is free, though a sender may still be in its call. */
    second = open_producer();
    s = (firehose_stats){.struct_size = sizeof s};
    CHECK(firehose_producer_stats(second, &s) == FIREHOSE_OK && s.recovered == 100);
    /* Freed without close: nothing is lost. */
    CHECK(firehose_producer_put(second, "more\n", 5, 0, 0) == FIREHOSE_OK);
    firehose_producer_free(second);
    firehose_producer_free(producer);
    producer = open_producer();
    CHECK(stats().recovered == 101);
    firehose_producer_free(producer);
    firehose_result_free(r);
}

/* A prefork host: each child has a folder of its own, and what a killed one leaves the next producer delivers. */
static void children(void) {
    producer = open_producer();
    CHECK(firehose_producer_put(producer, "parent\n", 7, 0, 0) == FIREHOSE_OK);
    for (int i = 0; i < 4; i++) {
        pid_t child = fork();
        if (child == 0) {
            char line[32];
            int len = snprintf(line, sizeof line, "child-%d\n", i);
            CHECK(firehose_producer_put(producer, line, (size_t)len, 0, 0) == FIREHOSE_OK);
            /* Half of them end as if they were killed. */
            if (i % 2 == 0) firehose_producer_free(producer);
            _exit(0);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    firehose_producer_free(producer);
}

static double cpu(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Puts that fill the spool up, then opening it again. */
static void speed(void) {
    static char line[200];
    memset(line, 'x', sizeof line);
    producer = open_producer();
    double begin = now_ms(), used = cpu();
    unsigned long count = 0;
    firehose_status status;
    while ((status = firehose_producer_put(producer, line, sizeof line, 0, 0)) == FIREHOSE_OK) count++;
    CHECK(status == FIREHOSE_QUEUE_FULL);
    double took = now_ms() - begin;
    printf("puts %lu\nputs_per_second %.0f\nputs_per_cpu_second %.0f\n", count, (double)count / took * 1e3,
           (double)count / (cpu() - used));
    firehose_producer_free(producer);
    begin = now_ms();
    producer = open_producer();
    printf("open_ms %.0f\nrecovered %llu\nspool_bytes %llu\n", now_ms() - begin, (unsigned long long)stats().recovered,
           (unsigned long long)stats().spool_bytes);
    firehose_producer_free(producer);
}

int main(int argc, char **argv) {
    CHECK(argc >= 3);
    signal(SIGPIPE, SIG_IGN);
    client = new_client(NULL);
    config = firehose_config_new();
    firehose_result *r = firehose_result_new();
    CHECK_STATUS(FIREHOSE_OK, firehose_config_set(config, "producer.spool_dir", argv[2], r), r);
    for (int i = 3; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        CHECK(value != NULL);
        *value++ = '\0';
        CHECK_STATUS(FIREHOSE_OK, firehose_config_set(config, argv[i], value, r), r);
    }
    firehose_result_free(r);
    if (strcmp(argv[1], "kills") == 0) kills();
    else if (strcmp(argv[1], "drain") == 0) drain();
    else if (strcmp(argv[1], "basics") == 0) basics();
    else if (strcmp(argv[1], "children") == 0) children();
    else if (strcmp(argv[1], "speed") == 0) speed();
    else FAIL("no mode %s", argv[1]);
    firehose_config_free(config);
    firehose_free(client);
    puts("ok");
    return 0;
}
