/* Lines of standard input. */
#define _POSIX_C_SOURCE 200809L
#include "pipe.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Reads a block and hands its lines over. False: that was the end. */
static bool read_block(struct lines *lines, struct sink *sink) {
    ssize_t got = read(STDIN_FILENO, lines_room(lines), BLOCK_BYTES);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (got < 0)
        tell("standard input: %s", strerror(errno));
    return got > 0 && lines_take(lines, (size_t)got, sink, "standard input");
}

void read_stdin(struct sink *sink) {
    struct lines lines;
    if (!lines_open(&lines))
        return;
    bool more = true;
    while (more && sink_goes_on(sink)) {
        if (wait_for(STDIN_FILENO, TICK_MS))
            more = read_block(&lines, sink);
        sink_tick(sink);
    }
    /* Asked to end: what the writer has put into the pipe by now would be lost with it. */
    if (ends_asked() > 0)
        sink_end_begins(sink);
    while (more && ends_asked() == 1 && !sink->broken && wait_for(STDIN_FILENO, 0))
        more = read_block(&lines, sink);
    lines_end(&lines, sink);
    sink->lost += lines_left(&lines);
    lines_close(&lines);
}
