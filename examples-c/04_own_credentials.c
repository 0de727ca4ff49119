/*
 * Lesson 4: keys from a place of your own.
 *
 *     04_own_credentials STREAM
 *
 * The library asks the callback when it first needs keys, and again shortly before they expire. The vault
 * of this example is two variables, MY_ACCESS_KEY and MY_SECRET_KEY.
 */
#include <firehose.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct vault {
    const char *access_key;
    const char *secret_key;
    int times_asked;
};

/* May run on any thread, but never twice at once for one client. 0 is success; anything else makes the call
 * that needed the keys fail with FIREHOSE_CREDENTIALS_FAILED. */
static int32_t fetch_keys(void *user_data, firehose_credentials *out) {
    struct vault *vault = user_data;
    vault->times_asked++;
    if (vault->access_key == NULL || vault->secret_key == NULL)
        return -1;

    /* NULL: no session token. These keys last an hour; 0 would say that they never expire. */
    firehose_credentials_set(out, vault->access_key, vault->secret_key, NULL, (int64_t)time(NULL) + 3600);
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s STREAM\n", argv[0]);
        return 2;
    }
    struct vault vault = {getenv("MY_ACCESS_KEY"), getenv("MY_SECRET_KEY"), 0};

    firehose_result *result = firehose_result_new();
    firehose_config *config = firehose_config_new();
    firehose_client *client = NULL;
    firehose_status status;

    if ((status = firehose_config_set(config, "region", "us-east-1", result)) != FIREHOSE_OK ||
        (status = firehose_config_set_credentials_provider(config, fetch_keys, &vault, result)) != FIREHOSE_OK ||
        (status = firehose_client_new(config, &client, result)) != FIREHOSE_OK) {
        fprintf(stderr, "no client: %s\n", firehose_result_message(result));
        goto done;
    }

    for (int i = 0; i < 3; i++) {
        status = firehose_put_record(client, argv[1], "signed with our own keys\n", 25, result);
        if (status != FIREHOSE_OK) {
            fprintf(stderr, "not delivered: %s\n", firehose_result_message(result));
            goto done;
        }
    }
    printf("3 records delivered, keys asked for %d time(s)\n", vault.times_asked);

done:
    firehose_free(client);
    firehose_config_free(config); /* the client has a copy; the vault must live as long as the client */
    firehose_result_free(result);
    return status == FIREHOSE_OK ? 0 : 1;
}
