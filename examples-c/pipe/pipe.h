/*
 * firehose-pipe: lines of stdin or of files that grow, into a stream of Amazon Data Firehose.
 *
 *     main.c     start, signals, the end
 *     options.c  the command line
 *     sink.c     the producer: one put for each line, and what is done while there is no room
 *     lines.c    bytes become lines
 *     stdin.c    lines of standard input
 *     follow.c   lines of files that grow and are rotated
 *     rotated.c  what a rotation made of a file
 *     state.c    how far each file was read, kept over a restart
 *     tell.c     the progress line, the metrics file, the summary
 */
#ifndef FIREHOSE_PIPE_H
#define FIREHOSE_PIPE_H

#include <firehose.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The service takes no longer record. Its newline counts. */
#define LINE_MAX_BYTES 1024000u
/* How much is read at once. */
#define BLOCK_BYTES (256u * 1024u)
/* How long a wait may last before signals, metrics and progress are looked after. */
#define TICK_MS 200

enum { EXIT_DELIVERED = 0, EXIT_UNDELIVERED = 1, EXIT_USAGE = 2 };

struct options {
    firehose_config *config;
    const char *stream;
    char **files;
    int file_count; /* 0: stdin */
    const char *spool;
    const char *metrics;
    const char *state;
    bool once;
    bool from_start;
    bool quiet;
    bool verbose;
    int close_timeout_s;
};

/* Fills in options; false: leave with *status, all is said already. */
bool options_read(struct options *options, int argc, char **argv, firehose_result *result, int *status);

/* How many signals to end have come; whether SIGHUP has come since it was asked last. */
int ends_asked(void);
bool reopen_asked(void);
/* Sleeps up to timeout_ms, or until a signal comes, or input (-1: none) is readable. True: it is. */
bool wait_for(int input, int timeout_ms);

int64_t now_ms(void); /* a clock that only goes on */

struct sink {
    const struct options *options;
    firehose_client *client;
    firehose_producer *producer;
    firehose_result *result;
    uint64_t lines;
    uint64_t line_bytes;
    uint64_t too_long;
    uint64_t lost; /* lines that were read and not taken, as the time was up */
    int64_t started_ms;
    int64_t told_ms;     /* the last progress line */
    int64_t metrics_ms;  /* the last metrics file */
    int64_t give_up_ms;  /* 0: no end is near; else when to wait no more for room */
    uint64_t told_bytes; /* delivered when told last: for the rate */
    bool terminal;
    bool broken; /* the producer takes nothing any more */
};

bool sink_open(struct sink *sink, const struct options *options, firehose_result *result);
/* Hands one line over, with or without its newline, waiting for room. False: it was not taken. */
bool sink_put(struct sink *sink, const char *line, size_t len);
/* Counts and tells a line that no record can hold. where says which. */
void sink_too_long(struct sink *sink, const char *where, uint64_t at);
/* What is due: progress and metrics. */
void sink_tick(struct sink *sink);
/* Whether to go on: no signal to end has come and the producer works. */
bool sink_goes_on(const struct sink *sink);
/* Starts the time that the end may take. */
void sink_end_begins(struct sink *sink);
/* Waits until every line was delivered or has failed, or give_up_ms. True: nothing is left. */
bool sink_drain(struct sink *sink);
/* Ends, tells how it went, and gives the exit status. */
int sink_close(struct sink *sink);

void tell_progress(struct sink *sink, const firehose_stats *stats);
void tell_metrics(struct sink *sink, const firehose_stats *stats);
void tell_summary(struct sink *sink, const firehose_stats *stats);
/* One line on stderr, which ends a progress line first. */
void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Bytes on their way to becoming lines. */
struct lines {
    char *buffer;      /* what was read and not handed over: the start of a line */
    size_t used;
    bool skipping;     /* inside a line that fits no record */
    uint64_t position; /* of the buffer's first byte in its file */
    char mark[256];    /* the bytes before that position */
    size_t mark_len;
};

bool lines_open(struct lines *lines);
void lines_close(struct lines *lines);
/* Goes on at another position, with nothing in the buffer. */
void lines_restart(struct lines *lines, uint64_t position);
/* Where the next BLOCK_BYTES can be read to. */
char *lines_room(struct lines *lines);
/* Hands over the whole lines, got more bytes having been read. False: the sink took one no more; it stays. */
bool lines_take(struct lines *lines, size_t got, struct sink *sink, const char *where);
/* What is left is a line, too. */
bool lines_end(struct lines *lines, struct sink *sink);
/* Lines in the buffer, the last of which may have no end. */
uint64_t lines_left(const struct lines *lines);

/* Reads stdin to its end, or, once a signal has asked to end, what is there already. */
void read_stdin(struct sink *sink);
/* Follows the files of the options. False: a setting is wrong, told already. */
bool follow_files(struct sink *sink, const struct options *options);

/* A file that is read. */
struct tail {
    int fd; /* -1: none */
    uint64_t device, inode;
    struct lines lines;
    int64_t quiet_since_ms; /* when it last had something new */
};

bool tail_is_open(const struct tail *tail);
/* Opens the file at path. False: there is none, or it cannot be read, which is told unless it is not there. */
bool tail_open(struct tail *tail, const char *path);
void tail_close(struct tail *tail);
/* Whether the bytes before the tail's position are those that were read there. */
bool tail_knows(const struct tail *tail, int fd);

/* Looks beside the file called name for what a rotation moved or copied away: the file with the tail's number, or one
 * that holds what the tail has read. Opens it at the tail's position in found. */
bool rotated_find(const char *name, const struct tail *tail, struct tail *found);

/* Opens the oldest of the rotated files that were written after done, if it is not the one that is followed now. */
bool rotated_next(const char *name, const struct tail *done, const struct tail *now, struct tail *found);

/* A line of the state file: how far a file was read. */
struct position {
    char name[4096];
    uint64_t device, inode, position;
    char mark[256];
    size_t mark_len;
};

/* Reads the position that is kept for name; old: that of the file it was before its rotation. False: none is. */
bool state_read(const char *state, const char *name, bool old, struct position *position);

struct followed {
    const char *name;
    struct tail now, old; /* old: rotated away, and perhaps still written to */
};

/* Writes the positions of all, atomically. */
bool state_write(const char *state, const struct followed *files, int count);

#endif
