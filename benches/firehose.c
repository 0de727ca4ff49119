/* What a call costs: firehose ENDPOINT WORKLOAD CALLS does one workload and prints one line of JSON.
 *
 * Each call starts from raw bytes in the program's own memory; the calls that come first, to open connections and fill
 * caches, are not counted. Credentials, region and AWS_CA_BUNDLE come from the environment. */
#define _POSIX_C_SOURCE 200809L
#include <firehose.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define STREAM "bench-stream"
#define DIFFERENT 64 /* records that differ, so that no cache sees the same one all the time */
#define MAX_THREADS 16
#define MAX_RECORDS 500

struct workload {
    const char *name;
    int threads, records;
    size_t size;
    long warm_up; /* calls of each thread */
};

static const struct workload WORKLOADS[] = {
    {"w1", 1, 1, 1024, 500},
    {"w2", 1, 500, 1024, 10},
    {"w3", 1, 500, 8192, 3},
    {"w4", 1, 1, 1024, 0}, /* the whole process: start, client, one record */
    {"w5", 16, 1, 1024, 50},
    {"w6", 1, 500, 100, 10},
};

struct moment {
    double wall, user, sys;
    long peak_kib;
};

struct worker {
    firehose_client *client;
    firehose_result *result;
    const struct workload *workload;
    const unsigned char *data;
    long calls;
};

static void fail(const char *what, const char *why) {
    fprintf(stderr, "firehose: %s: %s\n", what, why);
    exit(1);
}

static struct moment now(void) {
    struct rusage usage;
    struct timespec clock;
    struct moment m;
    getrusage(RUSAGE_SELF, &usage);
    clock_gettime(CLOCK_MONOTONIC, &clock);
    m.wall = (double)clock.tv_sec + (double)clock.tv_nsec / 1e9;
    m.user = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6;
    m.sys = (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
    m.peak_kib = usage.ru_maxrss;
    return m;
}

static const struct workload *find(const char *name) {
    for (size_t i = 0; i < sizeof WORKLOADS / sizeof *WORKLOADS; i++)
        if (strcmp(WORKLOADS[i].name, name) == 0)
            return &WORKLOADS[i];
    fail(name, "no such workload; there are w1 to w6");
    return NULL;
}

static unsigned char *make_data(const struct workload *w) {
    size_t len = w->size * (size_t)(w->records > DIFFERENT ? w->records : DIFFERENT);
    unsigned char *data = malloc(len);
    uint32_t state = 12345;
    if (data == NULL)
        fail("data", "out of memory");
    for (size_t i = 0; i < len; i++) {
        state = state * 1664525u + 1013904223u;
        data[i] = (unsigned char)(state >> 24);
    }
    return data;
}

static void *work(void *argument) {
    struct worker *me = argument;
    const struct workload *w = me->workload;
    firehose_record records[MAX_RECORDS];
    for (int i = 0; i < w->records; i++) {
        records[i].data = me->data + (size_t)i * w->size;
        records[i].len = w->size;
    }
    for (long i = 0; i < me->calls; i++) {
        firehose_status status;
        if (w->records == 1) {
            const unsigned char *data = me->data + (size_t)(i % DIFFERENT) * w->size;
            status = firehose_put_record(me->client, STREAM, data, w->size, me->result);
        } else {
            status = firehose_put_record_batch(me->client, STREAM, records, (size_t)w->records, me->result);
        }
        if (status != FIREHOSE_OK)
            fail(w->name, firehose_result_message(me->result));
        if (firehose_result_attempts(me->result) != 1)
            fail(w->name, "a call was retried: the figure would not be that of one call");
    }
    return NULL;
}

static void run(struct worker *workers, int threads, long calls) {
    pthread_t ids[MAX_THREADS];
    for (int i = 0; i < threads; i++)
        workers[i].calls = calls;
    if (threads == 1) {
        work(workers);
        return;
    }
    for (int i = 0; i < threads; i++)
        if (pthread_create(&ids[i], NULL, work, &workers[i]) != 0)
            fail("pthread_create", "no thread to be had");
    for (int i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
}

int main(int argc, char **argv) {
    struct moment start = now(), before, after;
    struct worker workers[MAX_THREADS];
    firehose_client *client = NULL;
    firehose_config *config = firehose_config_new();
    firehose_result *result = firehose_result_new();
    if (argc != 4) {
        fprintf(stderr, "usage: %s ENDPOINT WORKLOAD CALLS\n", argv[0]);
        return 2;
    }
    const struct workload *w = find(argv[2]);
    const long calls = strtol(argv[3], NULL, 10);
    unsigned char *data = make_data(w);
    if (calls < 1)
        fail(argv[3], "CALLS is a number from 1 on");
    if (firehose_config_set(config, "endpoint", argv[1], result) != FIREHOSE_OK ||
        firehose_client_new(config, &client, result) != FIREHOSE_OK)
        fail("client", firehose_result_message(result));
    for (int i = 0; i < w->threads; i++) {
        workers[i].client = client;
        workers[i].result = firehose_result_new();
        workers[i].workload = w;
        workers[i].data = data;
    }

    if (w->warm_up > 0)
        run(workers, w->threads, w->warm_up);
    before = now();
    run(workers, w->threads, calls);
    after = now();

    const long all = calls * w->threads;
    printf("{\"workload\":\"%s\",\"calls\":%ld,\"records\":%ld,\"bytes\":%ld,\"wall\":%.6f,\"user\":%.6f,"
           "\"sys\":%.6f,\"rss_kib\":%ld,\"proc_user\":%.6f,\"proc_sys\":%.6f,\"proc_wall\":%.6f}\n",
           w->name, all, all * w->records, all * w->records * (long)w->size, after.wall - before.wall,
           after.user - before.user, after.sys - before.sys, after.peak_kib, after.user, after.sys,
           after.wall - start.wall);

    for (int i = 0; i < w->threads; i++)
        firehose_result_free(workers[i].result);
    firehose_free(client);
    firehose_config_free(config);
    firehose_result_free(result);
    free(data);
    return 0;
}
