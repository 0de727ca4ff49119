/* spoilt COUNT [option=value...]: COUNT clients one after the other, a put with each; a % in a value is the number of
 * the client. Every one must fail, in bounded time and memory, with a message that does not hold FIREHOSE_TEST_SECRET.
 * Prints each status and how often it came, the slowest in milliseconds and by how many KB the process has grown. */
#include "check.h"

enum { STATUSES = 100, WARM = 50 };

static long resident_kb(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL && fscanf(file, "%*d %ld", &pages) == 1);
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static firehose_config *configure(int argc, char **argv, long number, firehose_result *r) {
    firehose_config *config = firehose_config_new();
    CHECK(config != NULL);
    for (int i = 2; i < argc; i++) {
        char name[64], value[1024];
        const char *equals = strchr(argv[i], '='), *percent = equals == NULL ? NULL : strchr(equals, '%');
        CHECK(equals != NULL);
        snprintf(name, sizeof name, "%.*s", (int)(equals - argv[i]), argv[i]);
        if (percent == NULL) snprintf(value, sizeof value, "%s", equals + 1);
        else snprintf(value, sizeof value, "%.*s%ld%s", (int)(percent - equals - 1), equals + 1, number, percent + 1);
        CHECK_STATUS(FIREHOSE_OK, firehose_config_set(config, name, value, r), r);
    }
    return config;
}

int main(int argc, char **argv) {
    firehose_result *r = firehose_result_new();
    const char *secret = required("FIREHOSE_TEST_SECRET");
    static long counts[STATUSES];
    double slowest = 0;
    long kb = 0, most = 0;
    CHECK(argc >= 2);
    for (long i = 0; i < strtol(argv[1], NULL, 10); i++) {
        firehose_client *c = NULL;
        firehose_config *config = configure(argc, argv, i, r);
        double start = now_ms();
        int32_t status = firehose_client_new(config, &c, r);
        if (status == FIREHOSE_OK) status = firehose_put_record(c, test_stream(), "x", 1, r);
        double took = now_ms() - start;
        const char *message = firehose_result_message(r);
        if (status == FIREHOSE_OK) FAIL("number %ld is no error", i);
        CHECK(status > 0 && status < STATUSES);
        if (*message == '\0' || strlen(message) > 4000) FAIL("number %ld: the message is \"%.200s\"", i, message);
        if (strstr(message, secret) != NULL) FAIL("number %ld: a secret is in \"%s\"", i, message);
        counts[status]++;
        if (took > slowest) slowest = took;
        firehose_config_free(config);
        firehose_free(c);
        if (i == WARM) kb = resident_kb();
        if (i > WARM && resident_kb() > most) most = resident_kb();
    }
    for (int32_t status = 0; status < STATUSES; status++)
        if (counts[status] > 0) printf("%s %ld\n", firehose_status_name(status), counts[status]);
    printf("slowest_ms %.1f\ngrown_kb %ld\n", slowest, most > kb ? most - kb : 0);
    firehose_result_free(r);
    return 0;
}
