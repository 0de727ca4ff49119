/*
 * Lesson 7: a server that forks its workers after the producer was made.
 *
 *     07_prefork STREAM SOCKET [WORKERS]
 *
 * Each worker accepts connections on a local socket and puts the lines that come. A child has a queue, threads and
 * connections of its own; nothing of the parent's is touched by it. With a spool each would need a folder of its own:
 * producer.spool_dir = /var/spool/name/%p. SIGTERM to the parent ends all,
 * and each worker first delivers what it has taken.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <firehose.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 64 };

static volatile sig_atomic_t ending, started, serving = -1;
static volatile pid_t workers[MOST];
static int server = -1;

/* Ends the workers, and whatever this process waits for: after a shutdown neither accept nor getline wait. */
static void end(int signal) {
    int error = errno;
    (void)signal;
    ending = 1;
    for (int i = 0; i < started; i++)
        if (workers[i] > 0)
            kill(workers[i], SIGTERM);
    shutdown(server, SHUT_RDWR);
    if (serving >= 0)
        shutdown(serving, SHUT_RD);
    errno = error;
}

static int listen_at(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return -1;
    memcpy(address.sun_path, path, strlen(path) + 1);
    unlink(path);
    int made = socket(AF_UNIX, SOCK_STREAM, 0);
    if (made < 0 || bind(made, (struct sockaddr *)&address, sizeof address) != 0 || listen(made, 64) != 0)
        return -1;
    return made;
}

/* Puts the lines of one connection. */
static void serve(FILE *connection, firehose_producer *producer) {
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    while ((len = getline(&line, &room, connection)) > 0) {
        firehose_status status = firehose_producer_put(producer, line, (size_t)len, 0, 5000);
        if (status != FIREHOSE_OK)
            fprintf(stderr, "worker %ld: a line was not taken: %s\n", (long)getpid(), firehose_status_message(status));
    }
    free(line);
}

static int work(firehose_producer *producer) {
    while (!ending) {
        int accepted = accept(server, NULL, NULL);
        FILE *connection = accepted < 0 ? NULL : fdopen(accepted, "r");
        if (connection == NULL) {
            if (accepted >= 0)
                close(accepted);
            continue;
        }
        serving = accepted;
        if (!ending)
            serve(connection, producer);
        serving = -1;
        fclose(connection);
    }
    firehose_result *result = firehose_result_new();
    firehose_status status = firehose_producer_close(producer, 10000, result);
    printf("worker %ld: %s\n", (long)getpid(), firehose_result_message(result));
    firehose_result_free(result);
    return status != FIREHOSE_OK;
}

/* Starts the workers and waits for them. */
static int lead(firehose_producer *producer, int count) {
    int failed = 0;
    sigset_t ends, before;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    /* Until it is known who has to be told. */
    sigprocmask(SIG_BLOCK, &ends, &before);
    for (int i = 0; i < count; i++) {
        pid_t worker = fork();
        if (worker == 0) {
            started = 0;
            sigprocmask(SIG_SETMASK, &before, NULL);
            exit(work(producer));
        }
        if (worker < 0) {
            perror("fork");
            failed = 1;
            break;
        }
        workers[i] = worker;
        started = i + 1;
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    for (int i = 0; i < started; i++) {
        int status = 0;
        while (waitpid(workers[i], &status, 0) < 0 && errno == EINTR)
            continue;
        workers[i] = 0;
        failed |= !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    }
    return failed;
}

int main(int argc, char **argv) {
    int count = argc > 3 ? atoi(argv[3]) : 4;
    if (argc < 3 || count < 1 || count > MOST) {
        fprintf(stderr, "usage: %s STREAM SOCKET [WORKERS]\n", argv[0]);
        return 2;
    }
    struct sigaction action = {.sa_handler = end};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);

    firehose_result *result = firehose_result_new();
    firehose_config *config = firehose_config_new();
    firehose_client *client = NULL;
    firehose_producer *producer = NULL;
    int failed = 1;
    server = listen_at(argv[2]);
    if (server < 0)
        fprintf(stderr, "%s: %s\n", argv[2], strerror(errno));
    else if (firehose_config_set(config, "producer.delimiter", "\\n", result) != FIREHOSE_OK ||
             firehose_client_new(config, &client, result) != FIREHOSE_OK ||
             firehose_producer_new(client, argv[1], NULL, &producer, result) != FIREHOSE_OK)
        fprintf(stderr, "%s\n", firehose_result_message(result));
    else
        failed = lead(producer, count);
    firehose_producer_free(producer);
    firehose_free(client);
    firehose_config_free(config);
    firehose_result_free(result);
    unlink(argv[2]);
    return failed;
}
