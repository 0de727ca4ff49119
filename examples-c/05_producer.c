/*
 * Lesson 5: a producer. Records are handed over at once and delivered in the background; what became of each is told
 * when it is asked for.
 *
 *     05_producer STREAM [COUNT]
 */
#include <firehose.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reports carry the tag that the record was put with: here its number. */
static size_t print_failures(firehose_producer *producer, int timeout_ms) {
    firehose_delivery deliveries[100];
    size_t count = firehose_producer_poll(producer, deliveries, 100, timeout_ms);
    for (size_t i = 0; i < count; i++)
        if (deliveries[i].status != FIREHOSE_OK)
            fprintf(stderr, "record %llu failed after %u calls: %s\n", (unsigned long long)deliveries[i].tag,
                    deliveries[i].attempts, deliveries[i].error_code);
    return count;
}

/* Puts all of them; gives how many were taken. */
static long put_all(firehose_producer *producer, long count) {
    for (long n = 0; n < count; n++) {
        char line[64];
        int len = snprintf(line, sizeof line, "{\"event\": %ld}", n);
        /* Waits where the queue is full, up to ten seconds. Reports count against its bound, so they are fetched. */
        firehose_status status = firehose_producer_put(producer, line, (size_t)len, (uint64_t)n, 10000);
        if (status != FIREHOSE_OK) {
            fprintf(stderr, "record %ld was not taken: %s\n", n, firehose_status_message(status));
            return n;
        }
        print_failures(producer, 0);
    }
    return count;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: %s STREAM [COUNT]\n", argv[0]);
        return 2;
    }
    long count = argc > 2 ? atol(argv[2]) : 1000;
    firehose_result *result = firehose_result_new();
    firehose_config *config = firehose_config_new();
    firehose_client *client = NULL;
    firehose_producer *producer = NULL;
    int failed = 1;

    /* A newline behind each record, many records in one (the service bills each as a multiple of 5 KiB), and a report
     * for each that failed. With producer.spool_dir they would wait on disk, and outlive the process. */
    if (firehose_config_set(config, "producer.delimiter", "\\n", result) != FIREHOSE_OK ||
        firehose_config_set(config, "producer.aggregate", "true", result) != FIREHOSE_OK ||
        firehose_config_set(config, "producer.reports", "failures", result) != FIREHOSE_OK ||
        firehose_client_new(config, &client, result) != FIREHOSE_OK ||
        firehose_producer_new(client, argv[1], NULL, &producer, result) != FIREHOSE_OK) {
        fprintf(stderr, "%s\n", firehose_result_message(result));
        goto done;
    }

    if (put_all(producer, count) == count)
        failed = 0;

    /* Comes back within the limit whatever the network does, and counts what was delivered, failed and left. */
    if (firehose_producer_close(producer, 30000, result) != FIREHOSE_OK)
        failed = 1;
    printf("%s\n", firehose_result_message(result));
    while (print_failures(producer, 0) > 0) {
    }

    firehose_stats stats;
    memset(&stats, 0, sizeof stats);
    stats.struct_size = sizeof stats;
    firehose_producer_stats(producer, &stats);
    printf("%llu bytes in %llu requests, billed as %llu\n", (unsigned long long)stats.delivered_bytes,
           (unsigned long long)stats.requests, (unsigned long long)stats.billed_bytes);

done:
    firehose_producer_free(producer);
    firehose_free(client); /* in either order */
    firehose_config_free(config);
    firehose_result_free(result);
    return failed;
}
