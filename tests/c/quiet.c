/* The library touches nothing of the host that it was not given. First argument: `streams`, `closed` or `made`. */
#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* Everything that could tempt a library to speak: refusals, broken options, failed connections, debug level. */
static void provoke(void) {
    firehose_result *r = firehose_result_new();
    firehose_config *config = firehose_config_new();
    firehose_client *lost = NULL;
    firehose_config_set(config, "no_such_option", "1", r);
    firehose_config_set(config, "max_attempts", "many", r);
    firehose_config_set(config, "endpoint", "http://127.0.0.1:1", r);
    firehose_config_set(config, "log_level", "debug", r);
    firehose_config_set(config, "max_attempts", "2", r);
    CHECK_STATUS(FIREHOSE_OK, firehose_client_new(config, &lost, r), r);
    CHECK_STATUS(FIREHOSE_CONNECT_FAILED, firehose_put_record(lost, test_stream(), "x", 1, r), r);
    firehose_free(lost);
    firehose_config_free(config);

    firehose_client *c = new_client("log_level", "debug", NULL);
    CHECK_STATUS(FIREHOSE_NOT_FOUND, firehose_put_record(c, "no-such-stream", "x", 1, r), r);
    CHECK_STATUS(FIREHOSE_INVALID_ARGUMENT, firehose_put_record(c, "", "x", 1, r), r);
    CHECK_STATUS(FIREHOSE_OK, firehose_put_record(c, test_stream(), "quiet", 5, r), r);
    CHECK_STATUS(FIREHOSE_REJECTED, firehose_call(c, "NoSuchOperation", "{}", 2, r), r);
    firehose_free(c);
    firehose_result_free(r);
}

/* Descriptors 0 to 2 are files of the host that must stay empty. */
static void streams(void) {
    struct stat st;
    char path[] = "/tmp/firehose-quiet-XXXXXX";
    int out = dup(1), file = mkstemp(path);
    CHECK(file >= 0 && out >= 0);
    unlink(path);
    for (int fd = 0; fd <= 2; fd++) CHECK(dup2(file, fd) == fd);
    provoke();
    CHECK(fstat(file, &st) == 0);
    CHECK(dup2(out, 1) == 1);
    if (st.st_size != 0) FAIL("%ld bytes were written to a descriptor of the host", (long)st.st_size);
}

/* A daemon without descriptors 0 to 2: the sockets get these numbers, and nothing may be said on them. */
static void closed(void) {
    int out = dup(1);
    CHECK(fcntl(out, F_DUPFD, 100) == 100);
    close(out);
    for (int fd = 0; fd <= 2; fd++) close(fd);
    provoke();
    CHECK(dup2(100, 1) == 1);
}

static void making(const char *endpoint) {
    firehose_result *r = firehose_result_new();
    firehose_config *config = firehose_config_new();
    firehose_client *c = NULL;
    double best = 1e9;
    if (endpoint != NULL) CHECK_STATUS(FIREHOSE_OK, firehose_config_set(config, "endpoint", endpoint, r), r);
    for (int i = 0; i < 5; i++) {
        const int descriptors = open_descriptors(), threads = running_threads();
        double start = now_ms();
        CHECK_STATUS(FIREHOSE_OK, firehose_client_new(config, &c, r), r);
        double took = now_ms() - start;
        if (took < best) best = took;
        CHECK(open_descriptors() == descriptors && running_threads() == threads);
        firehose_free(c);
    }
    if (best >= 10) FAIL("making a client took %.1f ms", best);
    printf("client_new_ms %.3f\n", best);
    firehose_config_free(config);
    firehose_result_free(r);
}

/* Made without any connection or thread; and nothing else of the process has changed afterwards. */
static void made(void) {
    struct sigaction before[65], after[65];
    sigset_t mask_before, mask_after;
    struct rlimit limit_before, limit_after;
    char where[4096], there[4096];
    memset(before, 0, sizeof before);
    memset(after, 0, sizeof after);
    sigemptyset(&mask_before);
    sigemptyset(&mask_after);
    umask(0123);
    CHECK(getcwd(where, sizeof where) != NULL && getrlimit(RLIMIT_NOFILE, &limit_before) == 0);
    for (int s = 1; s < 65; s++) sigaction(s, NULL, &before[s]);
    sigprocmask(SIG_BLOCK, NULL, &mask_before);
    making(required("FIREHOSE_TEST_ENDPOINT"));
    making("https://firehose.us-east-1.amazonaws.com");
    making(NULL);
    if (getenv("FIREHOSE_TEST_NO_PUTS") == NULL) provoke();
    for (int s = 1; s < 65; s++) sigaction(s, NULL, &after[s]);
    sigprocmask(SIG_BLOCK, NULL, &mask_after);
    for (int s = 1; s < 65; s++)
        CHECK(before[s].sa_handler == after[s].sa_handler && before[s].sa_flags == after[s].sa_flags);
    CHECK(memcmp(&mask_before, &mask_after, 8) == 0);
    CHECK(getrlimit(RLIMIT_NOFILE, &limit_after) == 0 && memcmp(&limit_before, &limit_after, sizeof limit_before) == 0);
    CHECK(getcwd(there, sizeof there) != NULL && strcmp(where, there) == 0);
    CHECK(umask(0) == 0123);
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    if (strcmp(argv[1], "streams") == 0) streams();
    else if (strcmp(argv[1], "closed") == 0) closed();
    else if (strcmp(argv[1], "made") == 0) made();
    else FAIL("unknown part %s", argv[1]);
    return 0;
}
