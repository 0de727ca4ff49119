/* What a rotation made of a file. */
#define _POSIX_C_SOURCE 200809L
#include "pipe.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool tail_is_open(const struct tail *tail) {
    return tail->fd >= 0;
}

bool tail_open(struct tail *tail, const char *path) {
    struct stat about;
    tail->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (tail->fd < 0 || fstat(tail->fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        if (tail->fd >= 0)
            tell("%s: is no regular file", path);
        else if (errno != ENOENT)
            tell("%s: %s", path, strerror(errno));
        if (tail->fd >= 0)
            close(tail->fd);
        tail->fd = -1;
        return false;
    }
    tail->device = (uint64_t)about.st_dev;
    tail->inode = (uint64_t)about.st_ino;
    tail->quiet_since_ms = now_ms();
    lines_restart(&tail->lines, 0);
    return true;
}

void tail_close(struct tail *tail) {
    if (tail->fd >= 0)
        close(tail->fd);
    tail->fd = -1;
    lines_restart(&tail->lines, 0);
}

bool tail_knows(const struct tail *tail, int fd) {
    const struct lines *lines = &tail->lines;
    char bytes[sizeof lines->mark];
    if (lines->position < lines->mark_len)
        return false;
    ssize_t got = pread(fd, bytes, lines->mark_len, (off_t)(lines->position - lines->mark_len));
    return got == (ssize_t)lines->mark_len && memcmp(bytes, lines->mark, lines->mark_len) == 0;
}

/* Whether an entry can be what became of the file: its name with dots, dashes and digits behind it. */
static bool is_sibling(const char *entry, const char *base) {
    size_t len = strlen(base);
    return strncmp(entry, base, len) == 0 && entry[len] != '\0' && strspn(entry + len, ".-_0123456789") == strlen(entry + len);
}

static bool is_later(struct timespec a, struct timespec b) {
    return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

/* Whether the file at path is what the tail read from: the same one, or a copy of it. */
static bool is_it(const char *path, const struct stat *about, const struct tail *tail) {
    bool same = (uint64_t)about->st_dev == tail->device && (uint64_t)about->st_ino == tail->inode;
    if ((uint64_t)about->st_size < tail->lines.position || (tail->lines.mark_len == 0 && !same))
        return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool known = fd >= 0 && tail_knows(tail, fd);
    if (fd >= 0)
        close(fd);
    return known;
}

struct search {
    const struct tail *tail; /* a file that is this one; NULL: one that is later than after, and not this inode */
    struct timespec after;
    uint64_t device, inode;
    char best[8192];
    struct timespec time;
};

static void consider(struct search *search, const char *path) {
    struct stat about;
    if (stat(path, &about) != 0 || !S_ISREG(about.st_mode))
        return;
    bool fits, better;
    if (search->tail != NULL) {
        better = search->best[0] == '\0' || is_later(about.st_mtim, search->time);
        fits = better && is_it(path, &about, search->tail);
    } else {
        better = search->best[0] == '\0' || is_later(search->time, about.st_mtim);
        fits = better && is_later(about.st_mtim, search->after) &&
               ((uint64_t)about.st_dev != search->device || (uint64_t)about.st_ino != search->inode);
    }
    if (fits) {
        search->time = about.st_mtim;
        snprintf(search->best, sizeof search->best, "%s", path);
    }
}

/* Looks at all that can have become of the file called name. True: there is one that fits best. */
static bool look(const char *name, struct search *search) {
    char folder[4096], path[8192];
    const char *slash = strrchr(name, '/');
    const char *base = slash == NULL ? name : slash + 1;
    int len = slash == NULL ? snprintf(folder, sizeof folder, ".")
                            : snprintf(folder, sizeof folder, "%.*s", slash == name ? 1 : (int)(slash - name), name);
    DIR *dir = len > 0 && (size_t)len < sizeof folder ? opendir(folder) : NULL;
    if (dir == NULL)
        return false;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        len = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (is_sibling(entry->d_name, base) && len > 0 && (size_t)len < sizeof path)
            consider(search, path);
    }
    closedir(dir);
    return search->best[0] != '\0';
}

bool rotated_find(const char *name, const struct tail *tail, struct tail *found) {
    struct search search = {.tail = tail};
    if (!look(name, &search) || !tail_open(found, search.best))
        return false;
    lines_restart(&found->lines, tail->lines.position);
    memcpy(found->lines.mark, tail->lines.mark, tail->lines.mark_len);
    found->lines.mark_len = tail->lines.mark_len;
    return true;
}

bool rotated_next(const char *name, const struct tail *done, const struct tail *now, struct tail *found) {
    struct stat about;
    if (fstat(done->fd, &about) != 0)
        return false;
    struct search search = {.after = about.st_mtim, .device = now->device, .inode = now->inode};
    return look(name, &search) && tail_open(found, search.best);
}
