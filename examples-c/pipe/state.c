/* How far each file was read, kept over a restart: a line for each file, "now" or "old", its device and number, the
 * position, the bytes before it in hexadecimal, its name. */
#define _POSIX_C_SOURCE 200809L
#include "pipe.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int digit(char c) {
    const char *digits = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits);
}

static bool read_line(const char *line, bool old, struct position *p) {
    char which[8], hex[2 * sizeof p->mark + 2];
    int at = 0;
    if (sscanf(line, "%7s %" SCNu64 " %" SCNu64 " %" SCNu64 " %513s %n", which, &p->device, &p->inode, &p->position, hex,
               &at) != 5)
        return false;
    if (at == 0 || strcmp(which, old ? "old" : "now") != 0 || strlen(line + at) >= sizeof p->name)
        return false;
    memcpy(p->name, line + at, strlen(line + at) + 1);
    p->name[strcspn(p->name, "\n")] = '\0';
    p->mark_len = 0;
    for (const char *h = hex; *h != '-' && digit(h[0]) >= 0 && digit(h[1]) >= 0; h += 2)
        p->mark[p->mark_len++] = (char)(digit(h[0]) * 16 + digit(h[1]));
    return true;
}

bool state_read(const char *state, const char *name, bool old, struct position *position) {
    FILE *file = state == NULL ? NULL : fopen(state, "r");
    if (file == NULL)
        return false;
    static char line[8192];
    bool found = false;
    while (!found && fgets(line, sizeof line, file) != NULL)
        found = read_line(line, old, position) && strcmp(position->name, name) == 0;
    fclose(file);
    return found;
}

static void write_tail(FILE *file, const char *which, const struct tail *tail, const char *name) {
    if (!tail_is_open(tail))
        return;
    fprintf(file, "%s %" PRIu64 " %" PRIu64 " %" PRIu64 " ", which, tail->device, tail->inode, tail->lines.position);
    for (size_t i = 0; i < tail->lines.mark_len; i++)
        fprintf(file, "%02x", (unsigned)(unsigned char)tail->lines.mark[i]);
    fprintf(file, "%s %s\n", tail->lines.mark_len == 0 ? "-" : "", name);
}

bool state_write(const char *state, const struct followed *files, int count) {
    char temporary[4096];
    int len = snprintf(temporary, sizeof temporary, "%s.tmp", state);
    FILE *file = len > 0 && (size_t)len < sizeof temporary ? fopen(temporary, "w") : NULL;
    bool written = file != NULL;
    for (int i = 0; written && i < count; i++) {
        write_tail(file, "old", &files[i].old, files[i].name);
        write_tail(file, "now", &files[i].now, files[i].name);
    }
    if (file != NULL)
        written = ferror(file) == 0 && fclose(file) == 0 && rename(temporary, state) == 0;
    if (!written)
        tell("%s: positions cannot be kept: %s", state, strerror(errno));
    return written;
}
