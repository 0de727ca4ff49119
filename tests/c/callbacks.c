/* The host's own keys and log: asked once for all threads, never told a secret, never called after free. */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 16, LIFE_S = 3600 };

static const char SECRET[] = "local-secret";
static atomic_int asked, lines, leaks, after_free, freed;
static atomic_int fail_next;
static atomic_long expires_in;
static firehose_client *client;

static int32_t provide(void *user_data, firehose_credentials *out) {
    CHECK(strcmp(user_data, "mine") == 0);
    atomic_fetch_add(&asked, 1);
    if (atomic_load(&freed)) atomic_fetch_add(&after_free, 1);
    sleep_ms(20);
    if (atomic_load(&fail_next) == 1) return 7;
    if (atomic_load(&fail_next) == 2) return 0;
    if (atomic_load(&fail_next) == 3) {
        firehose_credentials_set(out, "AKID\xff", SECRET, NULL, 0);
        return 0;
    }
    char key[] = "AKIDLOCAL", secret[] = "local-secret";
    long life = atomic_load(&expires_in);
    firehose_credentials_set(out, key, secret, NULL, life == 0 ? 0 : (int64_t)time(NULL) + life);
    memset(key, '#', sizeof key - 1);
    memset(secret, '#', sizeof secret - 1);
    return 0;
}

static void log_line(void *user_data, int32_t level, const char *message) {
    CHECK(strcmp(user_data, "log") == 0 && level >= 3 && level <= 7 && *message != '\0');
    atomic_fetch_add(&lines, 1);
    if (strstr(message, SECRET) != NULL || strstr(message, "wrong-secret") != NULL || strstr(message, "hunter2") != NULL)
        atomic_fetch_add(&leaks, 1);
    if (atomic_load(&freed)) atomic_fetch_add(&after_free, 1);
}

static firehose_client *made_for(const char *endpoint, firehose_result *r) {
    firehose_config *config = firehose_config_new();
    firehose_client *c = NULL;
    CHECK_STATUS(FIREHOSE_OK, firehose_config_set(config, "endpoint", endpoint, r), r);
    CHECK_STATUS(FIREHOSE_OK, firehose_config_set(config, "proxy", "http://joe:hunter2@127.0.0.1:1", r), r);
    CHECK_STATUS(FIREHOSE_OK, firehose_config_set(config, "no_proxy", strstr(endpoint, "nowhere") ? "" : "*", r), r);
    CHECK_STATUS(FIREHOSE_OK, firehose_config_set_credentials_provider(config, provide, "mine", r), r);
    CHECK_STATUS(FIREHOSE_OK, firehose_config_set_log(config, 7, log_line, "log", r), r);
    CHECK_STATUS(FIREHOSE_OK, firehose_client_new(config, &c, r), r);
    firehose_config_free(config);
    return c;
}

static firehose_client *made(firehose_result *r) { return made_for(required("FIREHOSE_TEST_ENDPOINT"), r); }

static void *work(void *arg) {
    firehose_result *r = firehose_result_new();
    for (int i = 0; i < 50; i++)
        CHECK_STATUS(FIREHOSE_OK, firehose_put_record(client, test_stream(), "mine", 4, r), r);
    firehose_result_free(r);
    return arg;
}

static void sixteen_threads(void) {
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, work, NULL) == 0);
    for (size_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
}

static void refused(firehose_result *r, int how) {
    atomic_store(&fail_next, how);
    client = made(r);
    CHECK_STATUS(FIREHOSE_CREDENTIALS_FAILED, firehose_put_record(client, test_stream(), "x", 1, r), r);
    CHECK(strlen(firehose_result_message(r)) > 20 && firehose_result_http_status(r) == 0);
    if (how == 1) CHECK_CONTAINS(firehose_result_message(r), "7");
    firehose_free(client);
    atomic_store(&fail_next, 0);
}

/* The log as lines on a descriptor, at every level, with a secret in every place that has one. */
static void log_fd(firehose_result *r) {
    char number[16], text[65536], path[] = "/tmp/firehose-log-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    unlink(path);
    snprintf(number, sizeof number, "%d", fd);
    firehose_client *c = new_client("log_fd", number, "endpoint", "http://127.0.0.1:1", "log_level", "debug", "access_key_id", "AKIDLOCAL",
                                    "secret_access_key", "wrong-secret", "session_token", "wrong-token", NULL);
    CHECK_STATUS(FIREHOSE_CONNECT_FAILED, firehose_put_record(c, test_stream(), "x", 1, r), r);
    CHECK(strstr(firehose_result_message(r), "wrong-") == NULL);
    CHECK_STATUS(FIREHOSE_OK, firehose_client_describe(c, r), r);
    CHECK(strstr(firehose_result_body(r, NULL), "wrong-") == NULL);
    CHECK_CONTAINS(firehose_result_body(r, NULL), "OCAL");
    firehose_free(c);
    ssize_t len = pread(fd, text, sizeof text - 1, 0);
    if (len <= 0) FAIL("nothing was logged to log_fd");
    text[len] = '\0';
    CHECK(text[len - 1] == '\n' && strstr(text, "wrong-") == NULL);
    close(fd);
}

int main(void) {
    firehose_result *r = firehose_result_new();

    atomic_store(&expires_in, LIFE_S);
    client = made(r);
    CHECK(atomic_load(&asked) == 0);
    sixteen_threads();
    if (atomic_load(&asked) != 1) FAIL("keys good for an hour were asked for %d times", atomic_load(&asked));
    firehose_free(client);

    /* Keys about to end are fetched again in good time, by one thread, while the others go on with the old ones. */
    atomic_store(&asked, 0);
    atomic_store(&expires_in, 8);
    client = made(r);
    for (int i = 0; i < 20; i++)
        CHECK_STATUS(FIREHOSE_OK, firehose_put_record(client, test_stream(), "x", 1, r), r);
    CHECK(atomic_load(&asked) == 1);
    atomic_store(&expires_in, LIFE_S);
    sleep_ms(5200);
    sixteen_threads();
    if (atomic_load(&asked) != 2) FAIL("keys at their end were asked for %d times", atomic_load(&asked));
    firehose_free(client);

    /* A source that fails while the old keys are still good is no reason to lose a record. */
    atomic_store(&asked, 0);
    atomic_store(&expires_in, 8);
    client = made(r);
    CHECK_STATUS(FIREHOSE_OK, firehose_put_record(client, test_stream(), "x", 1, r), r);
    atomic_store(&fail_next, 1);
    sleep_ms(5200);
    for (int i = 0; i < 20; i++)
        CHECK_STATUS(FIREHOSE_OK, firehose_put_record(client, test_stream(), "x", 1, r), r);
    CHECK(atomic_load(&asked) > 1);
    atomic_store(&fail_next, 0);
    firehose_free(client);

    for (int how = 1; how <= 3; how++) refused(r, how);
    log_fd(r);
    /* A proxy that is not there is tried again, and the log tells of it. */
    client = made_for("http://nowhere.example", r);
    CHECK_STATUS(FIREHOSE_CONNECT_FAILED, firehose_put_record(client, test_stream(), "x", 1, r), r);
    CHECK(strstr(firehose_result_message(r), "hunter2") == NULL);
    firehose_free(client);
    if (atomic_load(&lines) == 0) FAIL("the log callback was never called");
    if (atomic_load(&leaks) != 0) FAIL("%d lines of the log held a secret", atomic_load(&leaks));
    atomic_store(&freed, 1);
    sleep_ms(50);
    CHECK(atomic_load(&after_free) == 0);
    printf("log_lines %d\n", atomic_load(&lines));
    firehose_result_free(r);
    return 0;
}
