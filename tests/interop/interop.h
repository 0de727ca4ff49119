/* A client as the environment asks for it; the same programs run against every server. */
#ifndef FIREHOSE_INTEROP_H
#define FIREHOSE_INTEROP_H

#include "../c/check.h"

/* FIREHOSE_TEST_CLOCK_OFFSET_MS: how wrong this machine's clock is to be, in the client's eyes.
 * FIREHOSE_TEST_CORRECTION=off: the client must not learn the right time from the server. */
static inline firehose_client *asked_for_client(void) {
    const char *offset = getenv("FIREHOSE_TEST_CLOCK_OFFSET_MS");
    const char *correction = getenv("FIREHOSE_TEST_CORRECTION");
    const char *disable = correction != NULL && strcmp(correction, "off") == 0 ? "true" : "false";
    if (offset == NULL) return new_client("disable_clock_skew_correction", disable, NULL);
    return new_client("disable_clock_skew_correction", disable, "test.clock_offset_ms", offset, NULL);
}

#endif
