/*
 * Sends a file, one record for each line: the first SINGLE lines by firehose_put_record, the rest by
 * firehose_put_record_batch, and says what it took.
 *
 *     send_file STREAM FILE [SINGLE]
 */
#define _POSIX_C_SOURCE 200809L
#include <firehose.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BATCH_RECORDS 500
#define BATCH_BYTES (4u * 1024 * 1024)

struct lines {
    char *text;
    size_t bytes;
    firehose_record *records;
    size_t count;
};

struct tally {
    size_t records;
    size_t bytes;
    size_t calls;
    size_t retries;
    double began;
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int read_all(const char *path, struct lines *lines) {
    FILE *file = fopen(path, "rb");
    size_t room = 0;
    if (file == NULL) {
        perror(path);
        return -1;
    }
    for (;;) {
        if (room - lines->bytes < 65536) {
            char *more = realloc(lines->text, room += 1024 * 1024);
            if (more == NULL)
                break;
            lines->text = more;
        }
        size_t got = fread(lines->text + lines->bytes, 1, room - lines->bytes, file);
        if (got == 0)
            break;
        lines->bytes += got;
    }
    int broken = ferror(file) || !feof(file);
    fclose(file);
    if (broken)
        fprintf(stderr, "%s: could not be read to its end\n", path);
    return broken ? -1 : 0;
}

/* A line keeps its newline, so that the records, joined by the service, are the file again. */
static int split(struct lines *lines) {
    char *end = lines->text + lines->bytes;
    for (char *p = lines->text; p < end; lines->count++) {
        char *newline = memchr(p, '\n', (size_t)(end - p));
        char *next = newline == NULL ? end : newline + 1;
        if (lines->count % 4096 == 0) {
            size_t size = (lines->count + 4096) * sizeof *lines->records;
            firehose_record *more = realloc(lines->records, size);
            if (more == NULL)
                return -1;
            lines->records = more;
        }
        lines->records[lines->count].data = p;
        lines->records[lines->count].len = (size_t)(next - p);
        p = next;
    }
    return 0;
}

static void progress(const struct tally *tally, const struct lines *lines, int last) {
    static double shown;
    double t = now();
    if (!isatty(STDOUT_FILENO) || (!last && t - shown < 0.05))
        return;
    shown = t;
    size_t done = lines->count == 0 ? 30 : tally->records * 30 / lines->count;
    printf("\r  [%.*s%.*s] %zu of %zu records%s", (int)done, "==============================", (int)(30 - done),
           "                              ", tally->records, lines->count, last ? "\n" : "");
    fflush(stdout);
}

/* Counts a call that worked; says what went wrong with one that did not. */
static int count(struct tally *tally, const firehose_record *records, size_t n, firehose_status status,
                 const firehose_result *result) {
    tally->calls++;
    tally->retries += firehose_result_attempts(result) > 0 ? firehose_result_attempts(result) - 1 : 0;
    if (status != FIREHOSE_OK) {
        fprintf(stderr, "\n%s after %zu records: %s\n", firehose_status_name(status), tally->records,
                firehose_result_message(result));
        return -1;
    }
    for (size_t i = 0; i < n; i++)
        tally->bytes += records[i].len;
    tally->records += n;
    return 0;
}

static int send_all(firehose_client *client, const char *stream, const struct lines *lines, size_t single,
                    struct tally *tally, firehose_result *result) {
    while (tally->records < lines->count) {
        const firehose_record *next = &lines->records[tally->records];
        firehose_status status;
        size_t n = 1;
        if (tally->records < single) {
            status = firehose_put_record(client, stream, next->data, next->len, result);
        } else {
            size_t bytes = next->len;
            while (n < BATCH_RECORDS && tally->records + n < lines->count && bytes + next[n].len <= BATCH_BYTES)
                bytes += next[n++].len;
            status = firehose_put_record_batch(client, stream, next, n, result);
        }
        if (count(tally, next, n, status, result) != 0)
            return -1;
        progress(tally, lines, tally->records == lines->count);
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: %s STREAM FILE [SINGLE]\n", argv[0]);
        return 2;
    }
    size_t single = argc > 3 ? (size_t)strtoul(argv[3], NULL, 10) : 300;
    struct lines lines = {0};
    struct tally tally = {0};
    int failed = 1;

    firehose_result *result = firehose_result_new();
    firehose_client *client = NULL;
    if (read_all(argv[2], &lines) != 0 || split(&lines) != 0)
        goto done;
    if (firehose_client_new(NULL, &client, result) != FIREHOSE_OK) {
        fprintf(stderr, "no client: %s\n", firehose_result_message(result));
        goto done;
    }

    tally.began = now();
    if (send_all(client, argv[1], &lines, single, &tally, result) != 0)
        goto done;
    double took = now() - tally.began;
    printf("  %zu records, %zu bytes, %zu calls, %zu retries in %.2f s: %.0f records/s, %.2f MB/s\n", tally.records,
           tally.bytes, tally.calls, tally.retries, took, (double)tally.records / took,
           (double)tally.bytes / took / 1e6);
    failed = 0;

done:
    firehose_free(client);
    firehose_result_free(result);
    free(lines.records);
    free(lines.text);
    return failed;
}
