/*
 * Lesson 1: put one record.
 *
 *     01_put_record STREAM [TEXT]
 *
 * Region and keys come from where every AWS tool looks for them: the environment, then the files in ~/.aws.
 */
#include <firehose.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: %s STREAM [TEXT]\n", argv[0]);
        return 2;
    }
    const char *stream = argv[1];
    const char *text = argc > 2 ? argv[2] : "hello from C\n";

    /* A result is made once and filled again by each call: it says how the last call went. */
    firehose_result *result = firehose_result_new();
    firehose_client *client = NULL;
    int failed = 1;

    /* NULL: no options of our own. Nothing is sent yet. */
    if (firehose_client_new(NULL, &client, result) != FIREHOSE_OK) {
        fprintf(stderr, "no client: %s\n", firehose_result_message(result));
        goto done;
    }

    /* A record is any bytes, and the library keeps none of them. The service writes records one after
     * the other into an object, so a line of text should bring its own newline. */
    if (firehose_put_record(client, stream, text, strlen(text), result) != FIREHOSE_OK) {
        fprintf(stderr, "not delivered: %s\n", firehose_result_message(result));
        if (firehose_result_retryable(result))
            fprintf(stderr, "the same call may well work later\n");
        goto done;
    }
    printf("delivered, record id %s\n", firehose_result_record_id(result));
    failed = 0;

done:
    firehose_free(client); /* NULL is fine */
    firehose_result_free(result);
    return failed;
}
