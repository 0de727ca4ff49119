/* Forks under load: a child works with connections of its own, and nothing that it does touches its parent's. */
#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { THREADS = 4, AT_ONCE = 4, MOST_SOCKETS = 256, CHILD_LIMIT_S = 20 };

static firehose_client *client;
static const char *stream;
static atomic_int stop;
static atomic_long done[THREADS];

typedef struct { ino_t inode[MOST_SOCKETS]; int count; } sockets;

static void list_sockets(sockets *s) {
    struct stat st;
    s->count = 0;
    for (int fd = 0; fd < 1024 && s->count < MOST_SOCKETS; fd++)
        if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode)) s->inode[s->count++] = st.st_ino;
}

static int is_in(const sockets *s, ino_t inode) {
    for (int i = 0; i < s->count; i++)
        if (s->inode[i] == inode) return 1;
    return 0;
}

static void *load(void *arg) {
    const size_t thread = (size_t)arg;
    firehose_result *r = firehose_result_new();
    char text[64];
    for (long i = 0; !atomic_load(&stop); i++) {
        int len = snprintf(text, sizeof text, "p%zu-%ld", thread, i);
        CHECK_STATUS(FIREHOSE_OK, firehose_put_record(client, stream, text, (size_t)len, r), r);
        CHECK(firehose_result_attempts(r) == 1);
        atomic_store(&done[thread], i + 1);
        sleep_ms(1);
    }
    firehose_result_free(r);
    return NULL;
}

static void put(const char *text) {
    firehose_result *r = firehose_result_new();
    CHECK_STATUS(FIREHOSE_OK, firehose_put_record(client, stream, text, strlen(text), r), r);
    firehose_result_free(r);
}

/* What a child does depends on its number, so that every mixture is there: nothing at all, only free, put without
 * free, a child of its own, and most often put, free and exit. */
static void child(int number) {
    static sockets inherited, now;
    char text[64];
    int own = 0, status = -1;
    alarm(CHILD_LIMIT_S);
    if (number % 10 == 0) exit(0);
    if (number % 10 == 1) {
        firehose_free(client);
        exit(0);
    }
    list_sockets(&inherited);
    snprintf(text, sizeof text, "c%d", number);
    put(text);
    list_sockets(&now);
    for (int i = 0; i < now.count; i++) own += !is_in(&inherited, now.inode[i]);
    if (own == 0) FAIL("child %d sent its record through a socket of its parent", number);
    if (number % 10 == 2) {
        pid_t grandchild = fork();
        CHECK(grandchild >= 0);
        if (grandchild == 0) {
            alarm(CHILD_LIMIT_S);
            snprintf(text, sizeof text, "g%d", number);
            put(text);
            firehose_free(client);
            exit(0);
        }
        CHECK(waitpid(grandchild, &status, 0) == grandchild && status == 0);
        snprintf(text, sizeof text, "d%d", number);
        put(text);
    }
    if (number % 10 != 3) firehose_free(client);
    exit(0);
}

static void reap(void) {
    int status = 0;
    pid_t pid;
    while ((pid = wait(&status)) < 0 && errno == EINTR) {
    }
    CHECK(pid > 0);
    if (WIFSIGNALED(status)) FAIL("a child ended by signal %d%s", WTERMSIG(status), WTERMSIG(status) == SIGALRM ? ": it hung" : "");
    if (WEXITSTATUS(status) != 0) FAIL("a child ended with %d", WEXITSTATUS(status));
}

int main(void) {
    pthread_t threads[THREADS];
    const int forks = scaled(1000);
    /* One attempt, so that a connection broken by a child cannot hide behind a retry. */
    client = new_client("max_attempts", "1", NULL);
    stream = test_stream();
    put("first");
    for (size_t i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, load, (void *)i) == 0);
    for (int i = 0, running = 0; i < forks; i++) {
        if (running == AT_ONCE) reap(), running--;
        fflush(stdout);
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) child(i);
        running++;
        if (i == forks - 1)
            while (running-- > 0) reap();
    }
    /* The parent's connections outlive all that. */
    sleep_ms(20);
    atomic_store(&stop, 1);
    for (size_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    put("last");
    firehose_free(client);
    printf("forks %d\n", forks);
    for (size_t i = 0; i < THREADS; i++) printf("thread%zu %ld\n", i, atomic_load(&done[i]));
    return 0;
}
