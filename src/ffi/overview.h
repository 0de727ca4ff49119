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
