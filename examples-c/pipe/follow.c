/* Lines of files that grow. A file is followed by its name: when the name leads to another file, what is left in the
 * one before is read first, and for some time more, as its writer may not have noticed yet. */
#define _POSIX_C_SOURCE 200809L
#include "pipe.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file that was rotated away is left when nothing has come for so long. */
#define QUIET_MS 60000
/* How often positions are kept: with a spool, where a line is safe at once, and without. */
#define KEEP_SPOOLED_MS 200
#define KEEP_MS 5000

struct following {
    struct sink *sink;
    const struct options *options;
    const char *state;
    int64_t kept_ms;
    struct followed *files;
};

/* Reads a block. 1: there was something, 0: nothing new, -1: the sink takes no more, or the file cannot be read. */
static int read_more(struct tail *tail, struct sink *sink, const char *name) {
    if (!tail_is_open(tail))
        return 0;
    off_t at = (off_t)(tail->lines.position + tail->lines.used);
    ssize_t got = pread(tail->fd, lines_room(&tail->lines), BLOCK_BYTES, at);
    if (got < 0) {
        tell("%s: %s", name, strerror(errno));
        return errno == EINTR ? 0 : -1;
    }
    if (got == 0)
        return 0;
    tail->quiet_since_ms = now_ms();
    return lines_take(&tail->lines, (size_t)got, sink, name) ? 1 : -1;
}

/* Reads all that is there. False: the sink takes no more. */
static bool read_all(struct tail *tail, struct sink *sink, const char *name) {
    int more;
    while ((more = read_more(tail, sink, name)) > 0)
        sink_tick(sink);
    return more == 0;
}

/* The last line of a file that is done with has no newline sometimes. */
static bool finish(struct tail *tail, struct sink *sink, const char *name) {
    if (!tail_is_open(tail))
        return true;
    if (!read_all(tail, sink, name) || !lines_end(&tail->lines, sink))
        return false;
    tail_close(tail);
    return true;
}

/* The file was cut off, and begins anew: the rest of what it was is in a copy, if there is one. */
static bool was_truncated(struct followed *file, struct sink *sink) {
    struct tail copy = {.fd = -1, .lines = file->old.lines};
    bool good = finish(&file->old, sink, file->name);
    if (good && rotated_find(file->name, &file->now, &copy)) {
        copy.lines.buffer = file->old.lines.buffer;
        good = finish(&copy, sink, file->name);
        if (!good)
            tail_close(&copy);
    } else if (good && file->now.lines.mark_len > 0)
        tell("%s: was truncated, and no copy of it was found: lines that came just before may be missing", file->name);
    if (good)
        lines_restart(&file->now.lines, 0);
    return good;
}

/* Whether the file that is open is shorter than what was read of it, or holds something else there. */
static bool is_truncated(const struct tail *tail) {
    struct stat about;
    if (fstat(tail->fd, &about) != 0)
        return false;
    uint64_t size = (uint64_t)about.st_size, read = tail->lines.position + tail->lines.used;
    return size < read || !tail_knows(tail, tail->fd);
}

/* The name leads to another file, or to none. */
static bool was_renamed(struct followed *file, struct sink *sink) {
    if (!finish(&file->old, sink, file->name))
        return false;
    struct lines spare = file->old.lines;
    file->old = file->now;
    file->now = (struct tail){.fd = -1, .lines = spare};
    tail_open(&file->now, file->name);
    return true;
}

static bool is_renamed(const struct followed *file) {
    struct stat about;
    if (stat(file->name, &about) != 0)
        return false; /* moved away, and not made anew yet: its writer may still have it */
    return (uint64_t)about.st_dev != file->now.device || (uint64_t)about.st_ino != file->now.inode;
}

/* One round for a file. 1: something came, 0: nothing did, -1: the sink takes no more. */
static int follow_one(struct followed *file, struct sink *sink) {
    int came = read_more(&file->old, sink, file->name);
    if (came == 0 && tail_is_open(&file->old) && now_ms() - file->old.quiet_since_ms > QUIET_MS &&
        !finish(&file->old, sink, file->name))
        return -1;
    if (came < 0)
        return -1;
    if (!tail_is_open(&file->now))
        return tail_open(&file->now, file->name) ? 1 : came;
    if (is_truncated(&file->now) && !was_truncated(file, sink))
        return -1;
    int more = read_more(&file->now, sink, file->name);
    if (more == 0 && is_renamed(file))
        return read_all(&file->now, sink, file->name) && was_renamed(file, sink) ? 1 : -1;
    return more != 0 ? more : came;
}

static bool to_position(struct tail *tail, const struct position *position) {
    lines_restart(&tail->lines, position->position);
    memcpy(tail->lines.mark, position->mark, position->mark_len);
    tail->lines.mark_len = position->mark_len;
    return tail_is_open(tail) && !is_truncated(tail);
}

/* What was rotated away while nobody looked: the file of the position, and those after it, the oldest first. */
static bool catch_up(struct followed *file, const struct position *position, bool later, struct sink *sink) {
    tail_close(&file->old);
    struct tail wanted = {.fd = -1, .device = position->device, .inode = position->inode};
    wanted.lines.position = position->position;
    memcpy(wanted.lines.mark, position->mark, position->mark_len);
    wanted.lines.mark_len = position->mark_len;
    if (!rotated_find(file->name, &wanted, &file->old)) {
        tell("%s: what was read last is gone: lines may be missing", file->name);
        return true;
    }
    for (;;) {
        struct tail next = {.fd = -1, .lines = {.buffer = NULL}};
        if (!read_all(&file->old, sink, file->name) || !lines_end(&file->old.lines, sink))
            return false;
        if (!later || !rotated_next(file->name, &file->old, &file->now, &next))
            return true;
        close(file->old.fd);
        next.lines.buffer = file->old.lines.buffer;
        file->old = next;
    }
}

/* Opens a file where it was left, at its start or at its end. */
static bool begin(struct following *f, struct followed *file) {
    static struct position position;
    struct stat about;
    bool there = tail_open(&file->now, file->name);
    if (!there && f->options->once) {
        tell("%s: there is no such file", file->name);
        return false;
    }
    if (state_read(f->state, file->name, true, &position) && !catch_up(file, &position, false, f->sink))
        return true;
    if (state_read(f->state, file->name, false, &position)) {
        bool same = there && position.device == file->now.device && position.inode == file->now.inode;
        if (same && to_position(&file->now, &position))
            return true;
        if (there)
            lines_restart(&file->now.lines, 0);
        catch_up(file, &position, true, f->sink);
        return true;
    }
    if (there && !f->options->from_start && fstat(file->now.fd, &about) == 0)
        lines_restart(&file->now.lines, (uint64_t)about.st_size);
    return true;
}

/* Keeps the positions, of lines that are safe: in the spool, or else delivered. */
static void keep(struct following *f) {
    f->kept_ms = now_ms();
    if (f->state == NULL)
        return;
    if (f->options->spool != NULL || sink_drain(f->sink))
        state_write(f->state, f->files, f->options->file_count);
}

static void follow(struct following *f) {
    const int64_t interval = f->options->spool != NULL ? KEEP_SPOOLED_MS : KEEP_MS;
    while (sink_goes_on(f->sink)) {
        bool idle = true;
        for (int i = 0; i < f->options->file_count && sink_goes_on(f->sink); i++)
            idle &= follow_one(&f->files[i], f->sink) <= 0;
        if (now_ms() - f->kept_ms >= interval)
            keep(f);
        sink_tick(f->sink);
        if (idle && f->options->once)
            break;
        if (idle && !reopen_asked())
            wait_for(-1, TICK_MS);
    }
}

/* At the end of --once a last line without a newline is one; otherwise its end may still come. */
static void end(struct following *f) {
    for (int i = 0; i < f->options->file_count && f->options->once && sink_goes_on(f->sink); i++)
        lines_end(&f->files[i].now.lines, f->sink);
    sink_end_begins(f->sink);
    keep(f);
    for (int i = 0; i < f->options->file_count; i++) {
        tail_close(&f->files[i].now);
        tail_close(&f->files[i].old);
        lines_close(&f->files[i].now.lines);
        lines_close(&f->files[i].old.lines);
    }
}

bool follow_files(struct sink *sink, const struct options *options) {
    char in_spool[4096];
    struct following f = {.sink = sink, .options = options, .state = options->state, .kept_ms = now_ms()};
    if (f.state == NULL && options->spool != NULL) {
        snprintf(in_spool, sizeof in_spool, "%s/firehose-pipe.state", options->spool);
        f.state = in_spool;
    }
    f.files = calloc((size_t)options->file_count, sizeof *f.files);
    bool good = f.files != NULL;
    for (int i = 0; good && i < options->file_count; i++) {
        f.files[i] = (struct followed){.name = options->files[i], .now = {.fd = -1}, .old = {.fd = -1}};
        good = lines_open(&f.files[i].now.lines) && lines_open(&f.files[i].old.lines) && begin(&f, &f.files[i]);
    }
    if (good) {
        follow(&f);
        end(&f);
    }
    free(f.files);
    return good;
}
