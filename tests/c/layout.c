/* Prints the layout of what crosses the border by value. */
#include <firehose.h>

#include <stdio.h>

/* The tags are part of the contract: a C++ header of a caller declares them ahead. */
struct firehose_record;
struct firehose_put_options;
struct firehose_delivery;
struct firehose_stats;
_Static_assert(sizeof(struct firehose_record) == sizeof(firehose_record), "the tag names the same struct");
_Static_assert(sizeof(struct firehose_put_options) == sizeof(firehose_put_options), "the tag names the same struct");
_Static_assert(sizeof(struct firehose_delivery) == sizeof(firehose_delivery), "the tag names the same struct");
_Static_assert(sizeof(struct firehose_stats) == sizeof(firehose_stats), "the tag names the same struct");

#define SIZE(type) printf("sizeof " #type " %zu\n", sizeof(type))
#define OFFSET(type, member) printf("offsetof " #type "." #member " %zu\n", offsetof(type, member))

int main(void) {
    SIZE(firehose_status);
    SIZE(firehose_record);
    OFFSET(firehose_record, data);
    OFFSET(firehose_record, len);
    SIZE(firehose_put_options);
    OFFSET(firehose_put_options, struct_size);
    OFFSET(firehose_put_options, data_is_base64);
    OFFSET(firehose_put_options, partition_key);
    OFFSET(firehose_put_options, explicit_hash_key);
    OFFSET(firehose_put_options, sequence_number_for_ordering);
    OFFSET(firehose_put_options, exclusive_minimum_sequence_number);
    OFFSET(firehose_put_options, timeout_ms);
    SIZE(firehose_delivery);
    OFFSET(firehose_delivery, tag);
    OFFSET(firehose_delivery, status);
    OFFSET(firehose_delivery, attempts);
    OFFSET(firehose_delivery, error_code);
    SIZE(firehose_stats);
    OFFSET(firehose_stats, struct_size);
    OFFSET(firehose_stats, records);
    OFFSET(firehose_stats, bytes);
    OFFSET(firehose_stats, delivered);
    OFFSET(firehose_stats, delivered_bytes);
    OFFSET(firehose_stats, billed_bytes);
    OFFSET(firehose_stats, failed);
    OFFSET(firehose_stats, retried);
    OFFSET(firehose_stats, throttled);
    OFFSET(firehose_stats, requests);
    OFFSET(firehose_stats, queued);
    OFFSET(firehose_stats, queued_bytes);
    OFFSET(firehose_stats, in_flight);
    OFFSET(firehose_stats, reports);
    OFFSET(firehose_stats, used_bytes);
    OFFSET(firehose_stats, recovered);
    OFFSET(firehose_stats, spooled);
    OFFSET(firehose_stats, spool_bytes);
    OFFSET(firehose_stats, spool_damaged);
    return 0;
}
