/* The producer: one put for each line, and what is done while there is no room. */
#define _POSIX_C_SOURCE 200809L
#include "pipe.h"
#include <string.h>
#include <unistd.h>

static firehose_stats stats_of(const struct sink *sink) {
    firehose_stats stats = {.struct_size = sizeof stats};
    firehose_producer_stats(sink->producer, &stats);
    return stats;
}

bool sink_open(struct sink *sink, const struct options *options, firehose_result *result) {
    memset(sink, 0, sizeof *sink);
    sink->options = options;
    sink->result = result;
    sink->started_ms = sink->told_ms = sink->metrics_ms = now_ms();
    sink->terminal = !options->quiet && isatty(STDERR_FILENO) == 1;
    if (firehose_client_new(options->config, &sink->client, result) == FIREHOSE_OK &&
        firehose_producer_new(sink->client, options->stream, NULL, &sink->producer, result) == FIREHOSE_OK)
        return true;
    tell("%s", firehose_result_message(result));
    firehose_free(sink->client);
    return false;
}

void sink_tick(struct sink *sink) {
    int64_t now = now_ms();
    if (sink->terminal && now - sink->told_ms >= 1000) {
        firehose_stats stats = stats_of(sink);
        tell_progress(sink, &stats);
        sink->told_ms = now;
    }
    if (sink->options->metrics != NULL && now - sink->metrics_ms >= 5000) {
        firehose_stats stats = stats_of(sink);
        tell_metrics(sink, &stats);
        sink->metrics_ms = now;
    }
}

bool sink_goes_on(const struct sink *sink) {
    return ends_asked() == 0 && !sink->broken;
}

void sink_end_begins(struct sink *sink) {
    if (sink->give_up_ms == 0)
        sink->give_up_ms = now_ms() + (int64_t)sink->options->close_timeout_s * 1000;
}

/* Whether a wait is to end: the time is up, or a second signal came. The first starts the time. */
static bool gives_up(struct sink *sink) {
    if (ends_asked() > 0)
        sink_end_begins(sink);
    return ends_asked() > 1 || (sink->give_up_ms != 0 && now_ms() >= sink->give_up_ms);
}

bool sink_put(struct sink *sink, const char *line, size_t len) {
    if (sink->broken)
        return false;
    for (;;) {
        /* Short waits, so that a signal is seen, and progress and metrics go on, while there is no room. */
        firehose_status status = firehose_producer_put(sink->producer, line, len, 0, TICK_MS);
        if (status == FIREHOSE_OK) {
            sink->lines++;
            sink->line_bytes += len;
            return true;
        }
        if (status != FIREHOSE_QUEUE_FULL) {
            sink->broken = true;
            tell("a line was not taken: %s (%s); nothing more is read", firehose_status_message(status),
                 firehose_status_name(status));
            return false;
        }
        if (gives_up(sink))
            return false;
        sink_tick(sink);
    }
}

void sink_too_long(struct sink *sink, const char *where, uint64_t at) {
    sink->too_long++;
    tell("%s: the line at byte %llu is longer than a record can be (%u bytes with its newline) and was skipped", where,
         (unsigned long long)at, LINE_MAX_BYTES);
}

bool sink_drain(struct sink *sink) {
    for (;;) {
        firehose_status status = firehose_producer_flush(sink->producer, TICK_MS, sink->result);
        if (status != FIREHOSE_TIMEOUT)
            return true;
        if (gives_up(sink))
            return false;
        sink_tick(sink);
    }
}

int sink_close(struct sink *sink) {
    sink_end_begins(sink);
    sink_drain(sink);
    firehose_stats before = stats_of(sink);
    firehose_status status = firehose_producer_close(sink->producer, 0, sink->result);
    firehose_stats stats = stats_of(sink);
    /* What a spool keeps is not lost: the next start delivers it. */
    uint64_t left = before.queued + before.in_flight;
    bool kept = sink->options->spool != NULL && left > 0 && stats.failed == before.failed;
    if (sink->options->metrics != NULL)
        tell_metrics(sink, &stats);
    if (status != FIREHOSE_OK && !kept)
        tell("%s", firehose_result_message(sink->result));
    if (kept)
        tell("%llu lines are not delivered yet and are safe in %s", (unsigned long long)left, sink->options->spool);
    if (sink->lost > 0)
        tell("%llu lines were read but could not be handed over", (unsigned long long)sink->lost);
    tell_summary(sink, &stats);
    bool good = stats.failed == 0 && sink->lost == 0 && sink->too_long == 0 && !sink->broken && (left == 0 || kept);
    firehose_producer_free(sink->producer);
    firehose_free(sink->client);
    return good ? EXIT_DELIVERED : EXIT_UNDELIVERED;
}
