/* Leaks a client on purpose: the tests' own proof that a leak would be found. */
#include "check.h"

int main(void) {
    firehose_client *volatile client = new_client(NULL);
    CHECK(firehose_put_record(client, test_stream(), "x", 1, NULL) == FIREHOSE_OK);
    client = NULL;
    return 0;
}
