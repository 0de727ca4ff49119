/* children MODE: a put whose keys come from a credential_process, in a host that treats its children in a way of its
 * own: plain, ignore (SIGCHLD is ignored), handler (reaps every child in a signal handler), thread (does so in a thread).
 * Prints the status, the message and how long the put took; no child may be left. */
#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

static void reap(int signal) {
    int saved = errno;
    (void)signal;
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
    errno = saved;
}

static void *reap_all(void *arg) {
    for (;;)
        if (waitpid(-1, NULL, 0) < 0) sleep_ms(1);
    return arg;
}

int main(int argc, char **argv) {
    firehose_result *r = firehose_result_new();
    pthread_t thread;
    CHECK(argc == 2);
    if (strcmp(argv[1], "ignore") == 0) {
        signal(SIGCHLD, SIG_IGN);
    } else if (strcmp(argv[1], "handler") == 0) {
        struct sigaction action = {.sa_handler = reap, .sa_flags = SA_RESTART};
        CHECK(sigaction(SIGCHLD, &action, NULL) == 0);
    } else if (strcmp(argv[1], "thread") == 0) {
        CHECK(pthread_create(&thread, NULL, reap_all, NULL) == 0);
    } else {
        CHECK(strcmp(argv[1], "plain") == 0);
    }
    firehose_client *client = new_client("operation_timeout_ms", "3000", NULL);
    double start = now_ms();
    int32_t status = firehose_put_record(client, test_stream(), "x", 1, r);
    printf("put_ms %.0f\nstatus %d\nmessage %s\n", now_ms() - start, (int)status, firehose_result_message(r));
    firehose_free(client);
    firehose_result_free(r);
    sleep_ms(50);
    CHECK(waitpid(-1, NULL, WNOHANG) <= 0 && errno == ECHILD);
    return 0;
}
