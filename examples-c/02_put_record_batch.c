/*
 * Lesson 2: put many records in one call, and see what became of each.
 *
 *     02_put_record_batch STREAM
 *
 * A call takes up to 500 records and 4 MiB. The service may take some and refuse others; the library sends
 * the refused ones again, and only those. What it could not deliver in the end, the result names one by one.
 */
#include <firehose.h>
#include <stdio.h>
#include <string.h>

#define COUNT 5

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s STREAM\n", argv[0]);
        return 2;
    }

    static const char *lines[COUNT] = {"one\n", "two\n", "three\n", "four\n", "five\n"};
    firehose_record records[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        records[i].data = lines[i];
        records[i].len = strlen(lines[i]);
    }

    firehose_result *result = firehose_result_new();
    firehose_client *client = NULL;
    firehose_status status = firehose_client_new(NULL, &client, result);
    if (status != FIREHOSE_OK) {
        fprintf(stderr, "no client: %s\n", firehose_result_message(result));
        goto done;
    }

    status = firehose_put_record_batch(client, argv[1], records, COUNT, result);
    if (status != FIREHOSE_OK)
        fprintf(stderr, "%s: %s\n", firehose_status_name(status), firehose_result_message(result));

    /* All were delivered, or some. After any other failure there is no word about single records. */
    if (status == FIREHOSE_OK || status == FIREHOSE_PARTIAL_FAILURE) {
        for (size_t i = 0; i < firehose_result_record_count(result); i++) {
            const char *code = firehose_result_error_code_at(result, i); /* "": delivered */
            if (code[0] == '\0')
                printf("record %zu: id %s\n", i, firehose_result_record_id_at(result, i));
            else
                printf("record %zu: %s, %s\n", i, code, firehose_result_error_message_at(result, i));
        }
        printf("%zu failed, %u attempt(s)\n", firehose_result_failed_count(result),
               (unsigned)firehose_result_attempts(result));
    }

done:
    firehose_free(client);
    firehose_result_free(result);
    return status == FIREHOSE_OK ? 0 : 1;
}
