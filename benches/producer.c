/* producer ENDPOINT THREADS PUTS SIZE [OPTION=VALUE ...]: what a put and a delivered record cost; one line of JSON. */
#define _POSIX_C_SOURCE 200809L
#include <firehose.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static firehose_producer *producer;
static long each;
static size_t size;
static char *line;

struct work {
    pthread_t thread;
    double cpu, wall;
};

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double process_cpu(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void *put(void *arg) {
    struct work *work = arg;
    double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
    for (long i = 0; i < each; i++)
        if (firehose_producer_put(producer, line, size, 0, -1) != FIREHOSE_OK)
            exit(1);
    work->cpu = seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
    work->wall = seconds(CLOCK_MONOTONIC) - wall;
    return NULL;
}

int main(int argc, char **argv) {
    static struct work works[64];
    if (argc < 5)
        return 2;
    int threads = atoi(argv[2]);
    long puts = atol(argv[3]);
    firehose_result *result = firehose_result_new();
    firehose_config *config = firehose_config_new();
    firehose_client *client = NULL;
    each = puts / threads;
    size = (size_t)atol(argv[4]);
    line = malloc(size);
    /* Text that compresses as a log does, and no better. */
    for (size_t i = 0; i < size; i++)
        line[i] = (char)('a' + (i * i * 7 + i / 3) % 26);
    line[size - 1] = '\n';
    firehose_config_set(config, "endpoint", argv[1], result);
    for (int i = 5; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (value == NULL)
            return 2;
        *value++ = '\0';
        if (firehose_config_set(config, argv[i], value, result) != FIREHOSE_OK) {
            fprintf(stderr, "%s\n", firehose_result_message(result));
            return 1;
        }
    }
    if (firehose_client_new(config, &client, result) != FIREHOSE_OK ||
        firehose_producer_new(client, "test", NULL, &producer, result) != FIREHOSE_OK) {
        fprintf(stderr, "%s\n", firehose_result_message(result));
        return 1;
    }
    double wall = seconds(CLOCK_MONOTONIC), cpu = process_cpu();
    double putting = 0, longest = 0;
    for (int i = 0; i < threads; i++)
        pthread_create(&works[i].thread, NULL, put, &works[i]);
    for (int i = 0; i < threads; i++) {
        pthread_join(works[i].thread, NULL);
        putting += works[i].cpu;
        longest = works[i].wall > longest ? works[i].wall : longest;
    }
    if (firehose_producer_flush(producer, 120000, result) != FIREHOSE_OK) {
        fprintf(stderr, "%s\n", firehose_result_message(result));
        return 1;
    }
    wall = seconds(CLOCK_MONOTONIC) - wall;
    cpu = process_cpu() - cpu;
    firehose_stats stats = {.struct_size = sizeof stats};
    firehose_producer_stats(producer, &stats);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double count = (double)(each * threads);
    printf("{\"put_cpu_ns\": %.0f, \"puts_per_second\": %.0f, \"record_cpu_ns\": %.0f, \"records_per_second\": %.0f, "
           "\"peak_mib\": %.1f, \"requests\": %llu, \"billed_mb\": %.1f}\n",
           putting / count * 1e9, count / longest, cpu / count * 1e9, count / wall, (double)usage.ru_maxrss / 1024,
           (unsigned long long)stats.requests, (double)stats.billed_bytes / 1e6);
    firehose_producer_free(producer);
    firehose_free(client);
    return 0;
}
