/* Many calls against a server full of faults. What became of each is printed, a line for each record:
 * name, status of the call, whether the library calls it delivered, attempts, milliseconds. */
#include "check.h"

#include <pthread.h>

enum { THREADS = 8, BATCH = 5 };

typedef struct { int32_t status; uint32_t attempts; float ms; char delivered[BATCH]; } outcome;

static firehose_client *client;
static const char *stream;
static int calls_each;
static outcome *outcomes;

static int records_of(int call) { return call % 4 == 3 ? BATCH : 1; }

static int name_of(char *to, int thread, int call, int record) { return sprintf(to, "r-%d-%d-%d", thread, call, record); }

static void *work(void *arg) {
    const int thread = (int)(size_t)arg;
    firehose_result *r = firehose_result_new();
    for (int call = 0; call < calls_each; call++) {
        char names[BATCH][40];
        firehose_record records[BATCH];
        outcome *o = &outcomes[thread * calls_each + call];
        const int count = records_of(call);
        for (int i = 0; i < count; i++)
            records[i] = (firehose_record){names[i], (size_t)name_of(names[i], thread, call, i)};
        double start = now_ms();
        if (count == 1) o->status = firehose_put_record(client, stream, records[0].data, records[0].len, r);
        else o->status = firehose_put_record_batch(client, stream, records, (size_t)count, r);
        o->ms = (float)(now_ms() - start);
        o->attempts = firehose_result_attempts(r);
        if (o->status != FIREHOSE_OK && *firehose_result_message(r) == '\0') FAIL("a failure without a message");
        for (int i = 0; i < count; i++) {
            const char *id = count == 1 ? firehose_result_record_id(r) : firehose_result_record_id_at(r, (size_t)i);
            o->delivered[i] = *id != '\0';
            if (o->status == FIREHOSE_OK && *id == '\0') FAIL("FIREHOSE_OK without a record id");
            if (*id != '\0' && *firehose_result_error_code_at(r, (size_t)i) != '\0') FAIL("an id and an error at once");
        }
    }
    firehose_result_free(r);
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS];
    client = new_client("operation_timeout_ms", "400", "read_timeout_ms", "200", "connect_timeout_ms", "200",
                        "max_attempts", "3", NULL);
    stream = test_stream();
    calls_each = scaled(10000) / THREADS;
    outcomes = calloc((size_t)(THREADS * calls_each), sizeof *outcomes);
    CHECK(outcomes != NULL);
    for (size_t i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
    for (size_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (int thread = 0; thread < THREADS; thread++)
        for (int call = 0; call < calls_each; call++) {
            const outcome *o = &outcomes[thread * calls_each + call];
            for (int i = 0; i < records_of(call); i++) {
                char name[40];
                name_of(name, thread, call, i);
                printf("%s\t%s\t%d\t%u\t%.1f\n", name, firehose_status_name(o->status), o->delivered[i], o->attempts,
                       (double)o->ms);
            }
        }
    free(outcomes);
    firehose_free(client);
    return 0;
}
