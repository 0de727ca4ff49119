/* Signals belong to the host. First argument: `mask`, `alarm` or `pipe`. */
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/time.h>

static firehose_client *client;
static const char *stream;
static atomic_int finished;
static _Thread_local volatile sig_atomic_t belongs_to_the_host;
static atomic_long handled, handled_elsewhere;

static void *one_put(void *arg) {
    firehose_result *r = firehose_result_new();
    sigset_t before, after, *expected = arg;
    pthread_sigmask(SIG_SETMASK, expected, NULL);
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    CHECK_STATUS(FIREHOSE_OK, firehose_put_record(client, stream, "looked up", 9, r), r);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    CHECK(memcmp(&before, &after, sizeof before) == 0);
    firehose_result_free(r);
    atomic_store(&finished, 1);
    return NULL;
}

/* The signals that a thread blocks, as the kernel sees them; false if it has ended. */
static int blocked(const char *task, unsigned long long *mask) {
    char path[64], line[256];
    int found = 0;
    snprintf(path, sizeof path, "/proc/self/task/%.20s/status", task);
    FILE *file = fopen(path, "r");
    if (file == NULL) return 0;
    while (!found && fgets(line, sizeof line, file) != NULL) found = sscanf(line, "SigBlk: %llx", mask) == 1;
    fclose(file);
    return found;
}

static int left_alone(int signal) {
    const int fine[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGPROF};
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
        if (fine[i] == signal) return 1;
    return 0;
}

/* 9 and 19 cannot be blocked, 32 and 33 are the C library's own. */
static void check_mask(const char *task, unsigned long long mask) {
    for (int signal = 1; signal <= 64; signal++) {
        int is_blocked = (int)(mask >> (signal - 1) & 1);
        if (signal == SIGKILL || signal == SIGSTOP || signal == 32 || signal == 33) continue;
        if (is_blocked == left_alone(signal))
            FAIL("thread %s of the library: signal %d is %sblocked (mask %llx)", task, signal, is_blocked ? "" : "not ", mask);
    }
}

/* A name that takes long to look up shows the library's thread at work. */
static void mask(void) {
    pthread_t thread;
    sigset_t none;
    int seen = 0;
    char self[24];
    sigemptyset(&none);
    client = new_client(NULL);
    CHECK(running_threads() == 1);
    snprintf(self, sizeof self, "%d", (int)getpid());
    CHECK(pthread_create(&thread, NULL, one_put, &none) == 0);
    while (!atomic_load(&finished)) {
        DIR *dir = opendir("/proc/self/task");
        struct dirent *entry;
        CHECK(dir != NULL);
        while ((entry = readdir(dir)) != NULL) {
            if (entry->d_name[0] == '.' || strcmp(entry->d_name, self) == 0) continue;
            char path[64], name[32] = "";
            snprintf(path, sizeof path, "/proc/self/task/%.20s/comm", entry->d_name);
            FILE *comm = fopen(path, "r");
            if (comm == NULL) continue;
            if (fgets(name, sizeof name, comm) == NULL) name[0] = '\0';
            fclose(comm);
            /* The other thread of this program has the program's name. */
            if (strncmp(name, "firehose-", 9) != 0) continue;
            unsigned long long bits = 0;
            if (blocked(entry->d_name, &bits)) check_mask(entry->d_name, bits), seen++;
        }
        closedir(dir);
        sleep_ms(5);
    }
    pthread_join(thread, NULL);
    if (seen == 0) FAIL("no thread of the library was seen while a name was looked up");
    printf("threads_seen %d\n", seen);
}

static void on_alarm(int signal) {
    (void)signal;
    atomic_fetch_add(&handled, 1);
    if (!belongs_to_the_host) atomic_fetch_add(&handled_elsewhere, 1);
}

static void *puts_under_alarm(void *arg) {
    firehose_result *r = firehose_result_new();
    char *blob = calloc(1, 300000);
    belongs_to_the_host = 1;
    (void)arg;
    for (int i = 0; i < scaled(300); i++) {
        size_t len = i % 10 == 0 ? 300000 : 200;
        CHECK_STATUS(FIREHOSE_OK, firehose_put_record(client, stream, blob, len, r), r);
        CHECK(firehose_result_attempts(r) == 1);
        if (i % 50 == 0) sleep_ms(30);
    }
    free(blob);
    firehose_result_free(r);
    return NULL;
}

/* A handler at 1 kHz without SA_RESTART: each call is interrupted again and again and must not notice. */
static void alarms(void) {
    struct sigaction action;
    struct itimerval timer = {{0, 1000}, {0, 1000}}, off = {{0, 0}, {0, 0}};
    pthread_t threads[4];
    memset(&action, 0, sizeof action);
    action.sa_handler = on_alarm;
    belongs_to_the_host = 1;
    client = new_client("max_attempts", "1", NULL);
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    /* The first put, name lookup included, is on the main thread, where the alarms arrive. */
    puts_under_alarm(NULL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    for (int i = 0; i < 4; i++) {
        /* A thread is the host's before its first signal. */
        pthread_sigmask(SIG_BLOCK, &set, NULL);
        CHECK(pthread_create(&threads[i], NULL, puts_under_alarm, NULL) == 0);
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    }
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    setitimer(ITIMER_REAL, &off, NULL);
    if (atomic_load(&handled_elsewhere) > 0) FAIL("%ld handlers ran on threads of the library", atomic_load(&handled_elsewhere));
    CHECK(atomic_load(&handled) > 50);
    printf("alarms %ld\n", atomic_load(&handled));
}

/* The server resets connections at every moment of a call; SIGPIPE at its default would end this program. */
static void pipes(void) {
    firehose_result *r = firehose_result_new();
    char *blob = calloc(1, 1000000);
    struct sigaction now;
    int broken = 0, delivered = 0;
    signal(SIGPIPE, SIG_DFL);
    client = new_client("max_attempts", "1", NULL);
    for (int i = 0; i < scaled(600); i++) {
        size_t len = i % 3 == 0 ? 1000000 : i % 3 == 1 ? 100000 : 100;
        int32_t status = firehose_put_record(client, stream, blob, len, r);
        broken += status == FIREHOSE_IO_FAILED;
        delivered += status == FIREHOSE_OK;
    }
    CHECK(sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL);
    if (broken < scaled(30) || delivered < scaled(30)) FAIL("%d calls broken, %d delivered: too few of one", broken, delivered);
    printf("broken %d\ndelivered %d\n", broken, delivered);
    free(blob);
    firehose_result_free(r);
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    stream = test_stream();
    if (strcmp(argv[1], "mask") == 0) mask();
    else if (strcmp(argv[1], "alarm") == 0) alarms();
    else if (strcmp(argv[1], "pipe") == 0) pipes();
    else FAIL("unknown part %s", argv[1]);
    firehose_free(client);
    return 0;
}
