#ifndef FIREHOSE_H
#define FIREHOSE_H

/* Generated from src/ffi by build.rs. Do not edit. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The version of this header; that of the library is told by firehose_version_number. */
#define FIREHOSE_VERSION_MAJOR 1
#define FIREHOSE_VERSION_MINOR 0
#define FIREHOSE_VERSION_PATCH 0
#define FIREHOSE_VERSION_NUMBER 1000000

/*
 * libfirehose: records to Amazon Data Firehose from any program.
 *
 *     firehose_client *client = NULL;
 *     firehose_result *result = firehose_result_new();
 *
 *     if (firehose_client_new(NULL, &client, result) == FIREHOSE_OK &&
 *         firehose_put_record(client, "clicks", "hello\n", 6, result) == FIREHOSE_OK)
 *         printf("%s\n", firehose_result_record_id(result));
 *     else
 *         fprintf(stderr, "%s\n", firehose_result_message(result));
 *
 *     firehose_free(client);
 *     firehose_result_free(result);
 *
 * What holds for every function:
 *
 * - What can fail returns a firehose_status, 0 for success, and fills the firehose_result that it
 *   is given last; NULL will do where nobody wants to know. There is no "last error" anywhere else.
 * - Handles are opaque. NULL given to a _free is ignored; NULL where a handle is needed is
 *   FIREHOSE_INVALID_ARGUMENT.
 * - Strings given to the library are NUL-terminated UTF-8 and copied. Data is a pointer and a
 *   length, any bytes, never kept past the call.
 * - Strings that the library gives belong to the object that gave them and are valid until it is
 *   filled again or freed. They are never NULL: what is not known is "".
 * - firehose_producer_put hands a record over to threads of a producer, which deliver it in the
 *   background; every other call does its work on the caller's thread and waits for the answer.
 * - A client or a producer may be used by any number of threads at once, a config or a result by one at a time.
 *   A _free is called once, when no other call uses the handle.
 * - A client made before fork works in parent and child; the child never touches the parent's
 *   connections. (Not promised: fork while another thread is inside the C library's resolver.)
 * - The library's own threads block every asynchronous signal. No call raises SIGPIPE. No handler is
 *   installed, no atexit, no global state to set up or take down; dlclose is safe at any time.
 * - No panic crosses into the host and none is printed: it becomes FIREHOSE_INTERNAL.
 * - The environment is read in firehose_client_new, on the caller's thread, and never written.
 * - Nothing is ever written to stdout or stderr, nor to any descriptor that the library did not
 *   open, but for log_fd.
 */


/**
 * What became of a call. Values are never renumbered and never used again.
 */
enum firehose_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Done.
   */
  FIREHOSE_OK = 0,
  /**
   * The caller's argument or option is wrong; nothing was sent.
   */
  FIREHOSE_INVALID_ARGUMENT = 1,
  /**
   * No region and no endpoint was found anywhere.
   */
  FIREHOSE_NO_REGION = 2,
  /**
   * Every source of credentials was asked and none has any.
   */
  FIREHOSE_NO_CREDENTIALS = 3,
  /**
   * The source of credentials that was chosen failed.
   */
  FIREHOSE_CREDENTIALS_FAILED = 4,
  /**
   * Name resolution or connection failed, proxy included.
   */
  FIREHOSE_CONNECT_FAILED = 10,
  /**
   * The peer's certificate or the handshake was refused.
   */
  FIREHOSE_TLS_FAILED = 11,
  /**
   * A time limit of the call ran out.
   */
  FIREHOSE_TIMEOUT = 12,
  /**
   * The connection broke in the middle of the call; the record may or may not have been written.
   */
  FIREHOSE_IO_FAILED = 13,
  /**
   * The answer could not be understood.
   */
  FIREHOSE_BAD_RESPONSE = 14,
  /**
   * Throttled past the last attempt.
   */
  FIREHOSE_THROTTLED = 20,
  /**
   * The service was unavailable past the last attempt.
   */
  FIREHOSE_UNAVAILABLE = 21,
  /**
   * Signature, token or permission refused.
   */
  FIREHOSE_ACCESS_DENIED = 22,
  /**
   * ResourceNotFoundException: there is no such stream.
   */
  FIREHOSE_NOT_FOUND = 23,
  /**
   * ResourceInUseException.
   */
  FIREHOSE_IN_USE = 24,
  /**
   * LimitExceededException: a quota of the account.
   */
  FIREHOSE_LIMIT_EXCEEDED = 25,
  /**
   * InvalidKMSResourceException.
   */
  FIREHOSE_INVALID_KMS = 26,
  /**
   * InvalidSourceException: only Direct PUT streams take records.
   */
  FIREHOSE_INVALID_SOURCE = 27,
  /**
   * ConcurrentModificationException.
   */
  FIREHOSE_CONFLICT = 28,
  /**
   * ExpiredIteratorException.
   */
  FIREHOSE_EXPIRED_ITERATOR = 29,
  /**
   * InvalidArgumentException and every other refusal of the service.
   */
  FIREHOSE_REJECTED = 30,
  /**
   * Some records of a batch failed past the last attempt; the result names each.
   */
  FIREHOSE_PARTIAL_FAILURE = 31,
  /**
   * The producer's bound is reached and the wait ran out; the record was not taken.
   */
  FIREHOSE_QUEUE_FULL = 40,
  /**
   * The producer is closed.
   */
  FIREHOSE_CLOSED = 41,
  /**
   * The spool directory cannot be used.
   */
  FIREHOSE_SPOOL_FAILED = 42,
  /**
   * A fault of the library.
   */
  FIREHOSE_INTERNAL = 99,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum firehose_status firehose_status;
#else
typedef int32_t firehose_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * A client of the service: its settings, its connections, its keys. Any number of threads may use one client at
 * once. It works on after fork, in the parent and in the child: the child opens connections of its own at its first
 * call.
 */
typedef struct firehose_client firehose_client;

/**
 * Options for a client. Copied when a client is made from it: it may be changed or freed afterwards. One thread at a
 * time may use it.
 */
typedef struct firehose_config firehose_config;

/**
 * Where a host's own source of keys puts them. Valid during its callback only.
 */
typedef struct firehose_credentials firehose_credentials;

/**
 * Background delivery to one stream: firehose_producer_put takes a record in at once; threads of the producer
 * collect batches, send them, and send again what the service refused. Any number of threads may use one producer at
 * once. It keeps its client alive: the two may be freed in either order. After fork the parent goes on; the child
 * starts with an empty queue, and with threads and a descriptor of its own.
 */
typedef struct firehose_producer firehose_producer;

/**
 * What a call gave back. Made once, filled in place by each call, freed once; what it held before a call is gone
 * after it. The strings that it gives are NUL-terminated UTF-8, belong to it, and are valid until it is filled again
 * or freed; what is not known is "", never NULL. Every accessor takes NULL too, and then gives "" or 0.
 *
 * One thread at a time may use a result; it may move from thread to thread.
 */
typedef struct firehose_result firehose_result;

/**
 * What a single put may ask for. Set it to zero, then struct_size to its sizeof, then what is wanted.
 */
typedef struct firehose_put_options {
  /**
   * sizeof(firehose_put_options)
   */
  size_t struct_size;
  /**
   * Not 0: the data is base64 already (RFC 4648, padded) and is sent as it is; it is checked to be base64.
   */
  int32_t data_is_base64;
  /**
   * NULL: not sent. This and the next three are extra members of the request, as in the put_record of the first
   * Python client; the service of today takes no notice of them.
   */
  const char *partition_key;
  /**
   * NULL: not sent.
   */
  const char *explicit_hash_key;
  /**
   * NULL: not sent.
   */
  const char *sequence_number_for_ordering;
  /**
   * NULL: not sent.
   */
  const char *exclusive_minimum_sequence_number;
  /**
   * The limit for the whole call in milliseconds; 0: the client's operation_timeout_ms.
   */
  int32_t timeout_ms;
} firehose_put_options;

/**
 * One record of a batch: any bytes. (NULL, 0) is an empty record.
 */
typedef struct firehose_record {
  /**
   * The bytes; only read, and only during the call.
   */
  const void *data;
  /**
   * How many; at most 1,024,000.
   */
  size_t len;
} firehose_record;

/**
 * A host's own source of keys. It calls firehose_credentials_set once, which copies, and returns 0; any other number
 * says that it failed and stands in the message of the call. It may run on any thread that makes a call, never on
 * two at once for one client, may take time (the callers wait only where there are no keys that are still good), must
 * not call the same client, and is not called any more once firehose_free has returned. Its time is not bounded by
 * operation_timeout_ms: it must return. No exception and no longjmp may leave it.
 */
typedef int32_t (*firehose_credentials_fn)(void *user_data,
                                           struct firehose_credentials *out);

/**
 * A host's own log. Levels are those of syslog: 3 error, 4 warning, 6 information, 7 debugging. The message is one
 * sentence without a line break at its end, valid during the callback only, and holds no secret. It may run on any
 * thread, on several at once, must not call the same client, and is not called any more once firehose_free has
 * returned. No exception and no longjmp may leave it.
 */
typedef void (*firehose_log_fn)(void *user_data, int32_t level, const char *message);

/**
 * What became of one firehose_producer_put.
 */
typedef struct firehose_delivery {
  /**
   * The caller's name for the record.
   */
  uint64_t tag;
  /**
   * FIREHOSE_OK, or why it failed for good.
   */
  firehose_status status;
  /**
   * Calls that it was part of.
   */
  uint32_t attempts;
  /**
   * The service's code, or the status's name where the service gave none; "" when delivered. NUL-terminated.
   */
  char error_code[64];
} firehose_delivery;

/**
 * Counters of a producer, since it was made (in a forked child: since the fork). Set struct_size to its sizeof.
 */
typedef struct firehose_stats {
  /**
   * sizeof(firehose_stats)
   */
  size_t struct_size;
  /**
   * Records taken.
   */
  uint64_t records;
  /**
   * Their bytes, delimiters included.
   */
  uint64_t bytes;
  /**
   * Records delivered.
   */
  uint64_t delivered;
  /**
   * Their bytes.
   */
  uint64_t delivered_bytes;
  /**
   * Their bytes as the service bills them: each record of a call as a multiple of 5,120.
   */
  uint64_t billed_bytes;
  /**
   * Records that failed for good.
   */
  uint64_t failed;
  /**
   * Times that a record went back to the head of the queue.
   */
  uint64_t retried;
  /**
   * Times that a record was throttled.
   */
  uint64_t throttled;
  /**
   * Requests made.
   */
  uint64_t requests;
  /**
   * Records waiting now.
   */
  uint64_t queued;
  /**
   * Their bytes.
   */
  uint64_t queued_bytes;
  /**
   * Records in calls now.
   */
  uint64_t in_flight;
  /**
   * Reports not fetched now.
   */
  uint64_t reports;
  /**
   * Bytes that count against producer.queue_bytes now.
   */
  uint64_t used_bytes;
  /**
   * Records of earlier processes that the spool held when it was opened.
   */
  uint64_t recovered;
  /**
   * Records in the spool now, those in calls included.
   */
  uint64_t spooled;
  /**
   * Bytes of the spool's files now.
   */
  uint64_t spool_bytes;
  /**
   * Places in the spool that were found damaged when it was opened, and skipped.
   */
  uint64_t spool_damaged;
} firehose_stats;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Makes a client. Reads the environment and the shared config files now and never again; does no network I/O and
 * takes no time to speak of. config may be NULL: all comes from the environment. On success *client is the caller's,
 * who frees it with firehose_free; on failure it is set to NULL.
 *
 * Returns FIREHOSE_OK, FIREHOSE_INVALID_ARGUMENT for a setting that is wrong wherever it comes from, or
 * FIREHOSE_CREDENTIALS_FAILED for a profile or environment that is. That no region or no keys are there is told by
 * the first call that needs them.
 */
firehose_status firehose_client_new(const struct firehose_config *config,
                                    struct firehose_client **client,
                                    struct firehose_result *result);

/**
 * Describes a client as JSON in the result's body: each setting in force and where it came from, the endpoint, the
 * source of keys and those passed over, the roots in use, the measured clock skew. Holds no secret. Sends nothing and
 * does not block.
 *
 * Returns FIREHOSE_OK or FIREHOSE_INVALID_ARGUMENT.
 */
firehose_status firehose_client_describe(struct firehose_client *client,
                                         struct firehose_result *result);

/**
 * Puts one record into a stream and waits for the service's answer. data is read during the call only; it is sent as
 * base64, so any bytes will do, and nothing is added to them: a line needs its own newline. A stream's name has 1 to
 * 64 of the characters a-z A-Z 0-9 _ . -; a record has at most 1,024,000 bytes. Failures that may pass are tried
 * again, up to max_attempts and within operation_timeout_ms, so that a record may arrive twice. Blocks for that long
 * at most.
 *
 * Returns FIREHOSE_OK once the service has the record (the result has its id), or any status but
 * FIREHOSE_PARTIAL_FAILURE. After FIREHOSE_TIMEOUT, FIREHOSE_IO_FAILED and FIREHOSE_BAD_RESPONSE the record may have
 * been written all the same.
 */
firehose_status firehose_put_record(struct firehose_client *client,
                                    const char *stream,
                                    const void *data,
                                    size_t len,
                                    struct firehose_result *result);

/**
 * As firehose_put_record, with options, which may be NULL.
 */
firehose_status firehose_put_record_with(struct firehose_client *client,
                                         const char *stream,
                                         const void *data,
                                         size_t len,
                                         const struct firehose_put_options *options,
                                         struct firehose_result *result);

/**
 * Puts 1 to 500 records, 4,194,304 bytes together, into a stream in one call and waits for the answer. Records that
 * the service refuses are sent again, and only those. All is checked before anything is sent. The records are read
 * during the call only. Blocks for operation_timeout_ms at most.
 *
 * Returns FIREHOSE_OK once the service has all of them; FIREHOSE_PARTIAL_FAILURE where some failed for good (the
 * result tells of each under the index that it has here: firehose_result_record_id_at or
 * firehose_result_error_code_at); any other status where none is known to have been taken.
 */
firehose_status firehose_put_record_batch(struct firehose_client *client,
                                          const char *stream,
                                          const struct firehose_record *records,
                                          size_t count,
                                          struct firehose_result *result);

/**
 * Calls any operation of the service: action is its name, such as "DescribeDeliveryStream", json its request, which
 * is sent as it is ((NULL, 0) is {}). The answer is the result's body; {} where the service gives nothing back. A
 * PutRecordBatch made this way is FIREHOSE_OK even where the service refused some of its records: only
 * firehose_put_record_batch looks at each and sends the refused ones again. Failures that may pass are tried again. Blocks
 * for operation_timeout_ms at most.
 *
 * Returns FIREHOSE_OK, or any status but FIREHOSE_PARTIAL_FAILURE.
 */
firehose_status firehose_call(struct firehose_client *client,
                              const char *action,
                              const char *json,
                              size_t json_len,
                              struct firehose_result *result);

/**
 * Frees a client once no call is using it. NULL is ignored. In a forked child it frees nothing of the parent's.
 */
void firehose_free(struct firehose_client *client);

/**
 * Makes a config in which nothing is set. The caller frees it with firehose_config_free. Does not block. NULL only
 * where a fault of the library was contained.
 */
struct firehose_config *firehose_config_new(void);

/**
 * Sets an option; name and value are copied, and "" unsets it. An option comes before the environment, which comes
 * before the profile, which comes before the default. Does not block.
 *
 * Returns FIREHOSE_OK, or FIREHOSE_INVALID_ARGUMENT for an unknown name (the message suggests the nearest) or a bad
 * value (the message says what is allowed); then nothing is changed.
 */
firehose_status firehose_config_set(struct firehose_config *config,
                                    const char *name,
                                    const char *value,
                                    struct firehose_result *result);

/**
 * Lets the host give the keys: provider is called at the first call that needs keys and again shortly before they
 * expire, once for all threads. user_data is handed to it as it is and must live as long as the clients made from
 * this config. A NULL provider takes an earlier one back. Does not block. Keys as options and a provider exclude each
 * other: firehose_client_new refuses both.
 *
 * Returns FIREHOSE_OK or FIREHOSE_INVALID_ARGUMENT.
 */
firehose_status firehose_config_set_credentials_provider(struct firehose_config *config,
                                                         firehose_credentials_fn provider,
                                                         void *user_data,
                                                         struct firehose_result *result);

/**
 * Lets the host have the library's log: lines up to level (3 error, 4 warning, 6 information, 7 debugging; 0 for
 * none). It comes before the options log_fd and log_level, which need no callback. user_data is handed to log as it
 * is and must live as long as the clients made from this config. A NULL log takes an earlier one back. Does not block.
 *
 * Returns FIREHOSE_OK or FIREHOSE_INVALID_ARGUMENT.
 */
firehose_status firehose_config_set_log(struct firehose_config *config,
                                        int32_t level,
                                        firehose_log_fn log,
                                        void *user_data,
                                        struct firehose_result *result);

/**
 * Gives keys from within a firehose_credentials_fn. All strings are copied. session_token is NULL or "" for keys that
 * have none; expires_at is in seconds since 1970, 0 for keys that never expire. What is called last counts. NULL or
 * malformed keys make the call that needed them fail with FIREHOSE_CREDENTIALS_FAILED. Does not block.
 */
void firehose_credentials_set(struct firehose_credentials *out,
                              const char *access_key_id,
                              const char *secret_access_key,
                              const char *session_token,
                              int64_t expires_at);

/**
 * Frees a config. NULL is ignored. Clients made from it go on as they are.
 */
void firehose_config_free(struct firehose_config *config);

/**
 * Makes a producer for a stream. config may be NULL; only its producer.* options are looked at, and they come before
 * those that the client was made with. Does no network I/O, and starts no thread unless there is a spool
 * (producer.spool_dir) that holds records of an earlier process, which are delivered first. On success *producer is the
 * caller's, who frees it with firehose_producer_free; on failure it is set to NULL.
 *
 * Returns FIREHOSE_OK, FIREHOSE_INVALID_ARGUMENT, or FIREHOSE_SPOOL_FAILED where the spool's folder cannot be used.
 */
firehose_status firehose_producer_new(struct firehose_client *client,
                                      const char *stream,
                                      const struct firehose_config *config,
                                      struct firehose_producer **producer,
                                      struct firehose_result *result);

/**
 * Takes a record in, to be delivered in the background: copies it and comes back, without touching the network. A
 * record has at most 1,024,000 bytes with its delimiter. tag is the caller's own name for it in its report. Where
 * producer.queue_bytes, or with a spool producer.spool_bytes or the disk, is used up it waits for room, up to timeout_ms:
 * 0 never waits, -1 has no limit. With a spool (producer.spool_dir) a record that was taken outlives the process.
 *
 * Returns FIREHOSE_OK once the record is taken, FIREHOSE_QUEUE_FULL where there was no room in time,
 * FIREHOSE_CLOSED after firehose_producer_close, FIREHOSE_SPOOL_FAILED where the spool cannot be written, or
 * FIREHOSE_INVALID_ARGUMENT. The reason goes to the log. What is not FIREHOSE_OK was not taken, save that with
 * producer.spool_sync = put a record that could not be synced may be delivered all the same.
 */
firehose_status firehose_producer_put(struct firehose_producer *producer,
                                      const void *data,
                                      size_t len,
                                      uint64_t tag,
                                      int32_t timeout_ms);

/**
 * Waits until every record put before is delivered or has failed for good, up to timeout_ms (-1: no limit); batches
 * do not wait to be filled meanwhile. The result's message counts delivered, failed and left since the last flush;
 * firehose_result_record_count and _failed_count give the first two as numbers.
 *
 * Returns FIREHOSE_OK when all were delivered, FIREHOSE_PARTIAL_FAILURE when some failed for good, FIREHOSE_TIMEOUT
 * when the time was up first: what is left is still being delivered.
 */
firehose_status firehose_producer_flush(struct firehose_producer *producer,
                                        int32_t timeout_ms,
                                        struct firehose_result *result);

/**
 * Fetches up to max reports into deliveries and gives their number; waits up to timeout_ms (-1: no limit) for the
 * first. Which fates are reported is told by producer.reports; each such record has exactly one report, kept until
 * it is fetched. Gives 0 where there is none in time, and at once where none will come.
 */
size_t firehose_producer_poll(struct firehose_producer *producer,
                              struct firehose_delivery *deliveries,
                              size_t max,
                              int32_t timeout_ms);

/**
 * A descriptor that is readable while reports wait: for poll, epoll, libevent. It belongs to the producer and is only
 * to be waited on; fetch with firehose_producer_poll and a timeout of 0. -1 where producer.reports is none. In a
 * forked child ask again: it has one of its own. Does not block.
 */
int32_t firehose_producer_fd(struct firehose_producer *producer);

/**
 * Fills in the counters. Cheap enough for every second. Does not block.
 *
 * Returns FIREHOSE_OK, or FIREHOSE_INVALID_ARGUMENT where a pointer is NULL or struct_size is not the size of a
 * firehose_stats of this header or a later one.
 */
firehose_status firehose_producer_stats(struct firehose_producer *producer,
                                        struct firehose_stats *stats);

/**
 * Flushes, up to timeout_ms, and stops: nothing is taken any more. Comes back in time even where the endpoint hangs.
 * What is left at the end has failed, and is counted and reported so; reports can still be fetched.
 *
 * Returns as firehose_producer_flush does.
 */
firehose_status firehose_producer_close(struct firehose_producer *producer,
                                        int32_t timeout_ms,
                                        struct firehose_result *result);

/**
 * Closes without waiting, then frees: close first, where what is still queued matters. NULL is ignored.
 */
void firehose_producer_free(struct firehose_producer *producer);

/**
 * Makes an empty result. The caller frees it with firehose_result_free. Does not block. NULL only where a fault of
 * the library was contained; every call takes a NULL result.
 */
struct firehose_result *firehose_result_new(void);

/**
 * The status of the last call that filled the result: what that call returned.
 */
firehose_status firehose_result_status(const struct firehose_result *result);

/**
 * What failed, where, why, and what to do, in words for a person; "" after a success. Holds no secret.
 */
const char *firehose_result_message(const struct firehose_result *result);

/**
 * The service's own code of the last attempt, such as "ResourceNotFoundException".
 */
const char *firehose_result_error_code(const struct firehose_result *result);

/**
 * The HTTP status of the last attempt; 0: no answer came.
 */
int32_t firehose_result_http_status(const struct firehose_result *result);

/**
 * The service's id of the last attempt, which AWS Support asks for.
 */
const char *firehose_result_request_id(const struct firehose_result *result);

/**
 * How many attempts the call made, those included that found no connection; 0 where it was refused before the first.
 * A request that meets a connection which the peer has closed meanwhile is sent again within the same attempt.
 */
uint32_t firehose_result_attempts(const struct firehose_result *result);

/**
 * Whether the same call may succeed later, nothing else being changed.
 */
bool firehose_result_retryable(const struct firehose_result *result);

/**
 * The id that the service gave the record of firehose_put_record.
 */
const char *firehose_result_record_id(const struct firehose_result *result);

/**
 * Whether the stream encrypts what it stores, as the service says in its answer to a put.
 */
bool firehose_result_encrypted(const struct firehose_result *result);

/**
 * The JSON that firehose_call or firehose_client_describe gave; its length in bytes goes to len, which may be NULL.
 */
const char *firehose_result_body(const struct firehose_result *result,
                                 size_t *len);

/**
 * How many records the batch had that the result tells of; 0 where nothing was sent.
 */
size_t firehose_result_record_count(const struct firehose_result *result);

/**
 * How many of those were not delivered, as far as is known.
 */
size_t firehose_result_failed_count(const struct firehose_result *result);

/**
 * The id of the record at an index of the batch; "" where it was not delivered, and past the end.
 */
const char *firehose_result_record_id_at(const struct firehose_result *result,
                                         size_t index);

/**
 * Why the record at an index of the batch was not delivered: the service's code, or where it gave none the name of a
 * status, such as "FIREHOSE_TIMEOUT"; "" for a delivered record, and past the end.
 */
const char *firehose_result_error_code_at(const struct firehose_result *result,
                                          size_t index);

/**
 * The same in words.
 */
const char *firehose_result_error_message_at(const struct firehose_result *result,
                                             size_t index);

/**
 * Frees a result and all strings it gave. NULL is ignored.
 */
void firehose_result_free(struct firehose_result *result);

/**
 * The name of a status, such as "FIREHOSE_THROTTLED"; "FIREHOSE_UNKNOWN" for a number that is none. Static; never
 * freed. Does not block.
 */
const char *firehose_status_name(int32_t status);

/**
 * What a status means, in a few words. What happened in a particular call is told by firehose_result_message. Static;
 * never freed. Does not block.
 */
const char *firehose_status_message(int32_t status);

/**
 * Gives the status at an index from 0 on; false past the end, and then nothing is written. For authors of bindings.
 * Does not block.
 */
bool firehose_status_at(size_t index,
                        firehose_status *status);

/**
 * The version of the library, such as "1.0.0". Static; never freed. Does not block.
 */
const char *firehose_version(void);

/**
 * The version of the library as a number, to compare with FIREHOSE_VERSION_NUMBER of the header that a program was
 * built with: major * 1000000 + minor * 1000 + patch.
 */
uint32_t firehose_version_number(void);

/**
 * The name of an option that firehose_config_set takes, by its index from 0 on; NULL past the end. For programs that
 * list the options. Static; never freed. Does not block.
 */
const char *firehose_option_name(size_t index);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* FIREHOSE_H */
