/*
 * Lesson 7: a server that forks its workers after the producer was made.
 *
 *     07_prefork STREAM SOCKET [WORKERS]
 *
 * Each worker accepts connections on a local socket and puts the lines that come. A child has a queue, threads and
 * connections of its own; nothing of the parent's is touched by it. With a spool each would need a folder of its own:
 * producer.spool_dir = /var/spool/name/%p. SIGTERM to the parent ends all.
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

static volatile sig_atomic_t ending;

static void end(int signal) {
    (void)signal;
    ending = 1;
}

static int listen_at(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return -1;
    memcpy(address.sun_path, path, strlen(path) + 1);
    unlink(path);
    int server = socket(AF_UNIX, SOCK_STREAM, 0);
    if (server < 0 || bind(server, (struct sockaddr *)&address, sizeof address) != 0 || listen(server, 64) != 0)
        return -1;
    return server;
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

static int work(int server, firehose_producer *producer) {
    while (!ending) {
        int accepted = accept(server, NULL, NULL);
        FILE *connection = accepted < 0 ? NULL : fdopen(accepted, "r");
        if (connection == NULL)
            continue; /* a signal, mostly */
        serve(connection, producer);
        fclose(connection);
    }
    firehose_result *result = firehose_result_new();
    firehose_status status = firehose_producer_close(producer, 10000, result);
    printf("worker %ld: %s\n", (long)getpid(), firehose_result_message(result));
    firehose_result_free(result);
    return status != FIREHOSE_OK;
}

/* Starts the workers and waits for them; a signal that ends this process ends them. */
static int lead(int server, firehose_producer *producer, int count) {
    pid_t workers[64];
    int failed = 0;
    for (int i = 0; i < count; i++) {
        workers[i] = fork();
        if (workers[i] == 0)
            exit(work(server, producer));
    }
    for (int i = 0; i < count; i++) {
        int status;
        while (waitpid(workers[i], &status, 0) < 0 && errno == EINTR)
            for (int j = 0; j < count; j++)
                kill(workers[j], SIGTERM);
        failed |= !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    }
    return failed;
}

int main(int argc, char **argv) {
    int count = argc > 3 ? atoi(argv[3]) : 4;
    if (argc < 3 || count < 1 || count > 64) {
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
    int failed = 1, server = listen_at(argv[2]);
    if (server < 0)
        fprintf(stderr, "%s: %s\n", argv[2], strerror(errno));
    else if (firehose_config_set(config, "producer.delimiter", "\\n", result) != FIREHOSE_OK ||
             firehose_client_new(config, &client, result) != FIREHOSE_OK ||
             firehose_producer_new(client, argv[1], NULL, &producer, result) != FIREHOSE_OK)
        fprintf(stderr, "%s\n", firehose_result_message(result));
    else
        failed = lead(server, producer, count);
    firehose_producer_free(producer);
    firehose_free(client);
    firehose_config_free(config);
    firehose_result_free(result);
    unlink(argv[2]);
    return failed;
}
