/* Bytes become lines: one put for each, whatever the blocks they are read in. */
#define _POSIX_C_SOURCE 200809L
#include "pipe.h"
#include <stdlib.h>
#include <string.h>

/* Room for a block behind the longest line that can be waiting for its end. */
#define ROOM (LINE_MAX_BYTES + BLOCK_BYTES)

bool lines_open(struct lines *lines) {
    memset(lines, 0, sizeof *lines);
    lines->buffer = malloc(ROOM);
    if (lines->buffer == NULL)
        tell("out of memory");
    return lines->buffer != NULL;
}

void lines_close(struct lines *lines) {
    free(lines->buffer);
    lines->buffer = NULL;
}

void lines_restart(struct lines *lines, uint64_t position) {
    lines->used = 0;
    lines->skipping = false;
    lines->position = position;
    lines->mark_len = 0;
}

char *lines_room(struct lines *lines) {
    return lines->buffer + lines->used;
}

/* Remembers the bytes before the position: by them a file is known again. */
static void mark(struct lines *lines, const char *done, size_t len) {
    if (len >= sizeof lines->mark) {
        memcpy(lines->mark, done + len - sizeof lines->mark, sizeof lines->mark);
        lines->mark_len = sizeof lines->mark;
        return;
    }
    size_t keep = sizeof lines->mark - len < lines->mark_len ? sizeof lines->mark - len : lines->mark_len;
    memmove(lines->mark, lines->mark + lines->mark_len - keep, keep);
    memcpy(lines->mark + keep, done, len);
    lines->mark_len = keep + len;
}

/* What was handed over, or skipped, leaves the buffer. */
static void consume(struct lines *lines, size_t len) {
    mark(lines, lines->buffer, len);
    lines->position += len;
    lines->used -= len;
    memmove(lines->buffer, lines->buffer + len, lines->used);
}

bool lines_take(struct lines *lines, size_t got, struct sink *sink, const char *where) {
    size_t start = 0, from = lines->used;
    lines->used += got;
    bool taken = true;
    for (const char *end; (end = memchr(lines->buffer + from, '\n', lines->used - from)) != NULL;) {
        size_t len = (size_t)(end - (lines->buffer + start)) + 1;
        if (lines->skipping)
            lines->skipping = false;
        else if (len > LINE_MAX_BYTES)
            sink_too_long(sink, where, lines->position + start);
        else if (!(taken = sink_put(sink, lines->buffer + start, len)))
            break;
        start = from = start + len;
    }
    consume(lines, start);
    /* A line that fits no record, whose end has not come yet. Its newline would be one byte more. */
    if (taken && (lines->skipping || lines->used >= LINE_MAX_BYTES)) {
        if (!lines->skipping)
            sink_too_long(sink, where, lines->position);
        lines->skipping = true;
        consume(lines, lines->used);
    }
    return taken;
}

bool lines_end(struct lines *lines, struct sink *sink) {
    if (lines->used > 0 && !sink_put(sink, lines->buffer, lines->used))
        return false;
    consume(lines, lines->used);
    lines->skipping = false;
    return true;
}

uint64_t lines_left(const struct lines *lines) {
    uint64_t count = 0;
    const char *from = lines->buffer, *behind = lines->buffer + lines->used;
    while (from < behind) {
        const char *end = memchr(from, '\n', (size_t)(behind - from));
        count++;
        from = end == NULL ? behind : end + 1;
    }
    return count;
}
