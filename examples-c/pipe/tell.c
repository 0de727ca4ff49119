/* What is told: the progress line, the metrics file, the summary. */
#define _POSIX_C_SOURCE 200809L
#include "pipe.h"
#include <errno.h>
#include <stdarg.h>
#include <string.h>

static bool in_progress_line;

void tell(const char *format, ...) {
    va_list values;
    va_start(values, format);
    if (in_progress_line)
        fputc('\n', stderr);
    in_progress_line = false;
    fputs("firehose-pipe: ", stderr);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
    va_end(values);
}

static double mega(uint64_t bytes) {
    return (double)bytes / 1e6;
}

void tell_progress(struct sink *sink, const firehose_stats *stats) {
    int64_t now = now_ms();
    double seconds = (double)(now - sink->told_ms) / 1e3;
    double rate = seconds > 0 ? mega(stats->delivered_bytes - sink->told_bytes) / seconds : 0;
    sink->told_bytes = stats->delivered_bytes;
    fprintf(stderr, "\r%llu lines, %.1f MB; delivered %llu, failed %llu, waiting %llu; %.2f MB/s   ",
            (unsigned long long)sink->lines, mega(sink->line_bytes), (unsigned long long)stats->delivered,
            (unsigned long long)stats->failed, (unsigned long long)(stats->queued + stats->in_flight), rate);
    in_progress_line = true;
}

void tell_summary(struct sink *sink, const firehose_stats *stats) {
    if (sink->options->quiet)
        return;
    double seconds = (double)(now_ms() - sink->started_ms) / 1e3;
    uint64_t recovered = stats->recovered;
    tell("%llu lines, %.1f MB in %.1f s; %llu delivered%s, %llu failed, %llu sent again, %llu left%s; %.1f MB billed",
         (unsigned long long)sink->lines, mega(sink->line_bytes), seconds, (unsigned long long)stats->delivered,
         recovered > 0 ? " (with those of the spool)" : "", (unsigned long long)stats->failed,
         (unsigned long long)stats->retried, (unsigned long long)stats->spooled,
         sink->options->spool != NULL ? " in the spool" : "", mega(stats->billed_bytes));
}

struct metric {
    const char *name, *type, *help;
    uint64_t value;
};

void tell_metrics(struct sink *sink, const firehose_stats *s) {
    const struct metric metrics[] = {
        {"lines_total", "counter", "Lines handed over to the producer.", sink->lines},
        {"line_bytes_total", "counter", "Their bytes.", sink->line_bytes},
        {"too_long_lines_total", "counter", "Lines that fit no record and were skipped.", sink->too_long},
        {"delivered_lines_total", "counter", "Lines delivered.", s->delivered},
        {"delivered_bytes_total", "counter", "Their bytes.", s->delivered_bytes},
        {"billed_bytes_total", "counter", "Bytes as the service bills them.", s->billed_bytes},
        {"failed_lines_total", "counter", "Lines that failed for good.", s->failed},
        {"retried_lines_total", "counter", "Times that a line was sent again.", s->retried},
        {"throttled_records_total", "counter", "Times that a record was throttled.", s->throttled},
        {"requests_total", "counter", "Requests made.", s->requests},
        {"recovered_lines_total", "counter", "Lines that the spool held at the start.", s->recovered},
        {"spool_damages_total", "counter", "Places in the spool that were damaged.", s->spool_damaged},
        {"queued_lines", "gauge", "Lines waiting.", s->queued},
        {"queued_bytes", "gauge", "Their bytes.", s->queued_bytes},
        {"in_flight_lines", "gauge", "Lines in requests.", s->in_flight},
        {"spooled_lines", "gauge", "Lines in the spool.", s->spooled},
        {"spool_bytes", "gauge", "Bytes of the spool's files.", s->spool_bytes},
    };
    char temporary[4096];
    const char *path = sink->options->metrics;
    int len = snprintf(temporary, sizeof temporary, "%s.tmp", path);
    FILE *file = len > 0 && (size_t)len < sizeof temporary ? fopen(temporary, "w") : NULL;
    if (file == NULL) {
        tell("%s: %s", path, strerror(errno));
        return;
    }
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++) {
        const struct metric *m = &metrics[i];
        fprintf(file, "# HELP firehose_pipe_%s %s\n# TYPE firehose_pipe_%s %s\nfirehose_pipe_%s{stream=\"%s\"} %llu\n",
                m->name, m->help, m->name, m->type, m->name, sink->options->stream, (unsigned long long)m->value);
    }
    /* Whoever reads it sees the old one or the new one, whole. */
    bool written = ferror(file) == 0;
    if (fclose(file) != 0 || !written || rename(temporary, path) != 0)
        tell("%s: %s", path, strerror(errno));
}
