/*
 * Lesson 6: a producer in an event loop, which never waits for anything but its events.
 *
 *     06_epoll STREAM < LINES
 *
 * The producer's descriptor is readable while reports wait, like a socket with data.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <firehose.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

struct loop {
    firehose_producer *producer;
    char buffer[65536];
    size_t used;
    bool ended;               /* no more input */
    bool full;                /* no room: input is left alone until reports tell of some */
    unsigned long put, known; /* known: records of which a report was fetched */
    unsigned long failed;
};

/* Puts the whole lines that were read, without waiting. */
static void put_lines(struct loop *loop) {
    size_t start = 0;
    char *end;
    while ((end = memchr(loop->buffer + start, '\n', loop->used - start)) != NULL) {
        size_t len = (size_t)(end - loop->buffer) + 1 - start;
        firehose_status status = firehose_producer_put(loop->producer, loop->buffer + start, len, loop->put, 0);
        loop->full = status == FIREHOSE_QUEUE_FULL;
        if (loop->full)
            break;
        if (status == FIREHOSE_OK)
            loop->put++;
        else
            fprintf(stderr, "a line was not taken: %s\n", firehose_status_message(status));
        start += len;
    }
    memmove(loop->buffer, loop->buffer + start, loop->used - start);
    loop->used -= start;
}

static void on_input(struct loop *loop) {
    ssize_t got = read(STDIN_FILENO, loop->buffer + loop->used, sizeof loop->buffer - loop->used);
    if (got > 0)
        loop->used += (size_t)got;
    else if (got == 0 || errno != EINTR)
        loop->ended = true;
    put_lines(loop);
}

static void on_reports(struct loop *loop) {
    firehose_delivery deliveries[256];
    size_t count = firehose_producer_poll(loop->producer, deliveries, 256, 0);
    for (size_t i = 0; i < count; i++)
        loop->failed += deliveries[i].status != FIREHOSE_OK;
    loop->known += count;
    if (loop->full)
        put_lines(loop);
}

static void run(struct loop *loop) {
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int reports = firehose_producer_fd(loop->producer);
    struct epoll_event event = {.events = EPOLLIN, .data = {.fd = reports}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, reports, &event);
    event.data.fd = STDIN_FILENO;
    /* A plain file is always readable, and epoll does not take one. */
    bool plain = epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event) != 0;
    bool listening = !plain;
    while (!loop->ended || loop->known < loop->put) {
        bool wanted = !loop->ended && !loop->full && loop->used < sizeof loop->buffer;
        if (!plain && listening != wanted) {
            event.data.fd = STDIN_FILENO;
            epoll_ctl(epoll, wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, STDIN_FILENO, &event);
            listening = wanted;
        }
        struct epoll_event events[8];
        int count = epoll_wait(epoll, events, 8, plain && wanted ? 0 : 1000);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == reports)
                on_reports(loop);
            else
                on_input(loop);
        }
        if (plain && wanted)
            on_input(loop);
    }
    close(epoll);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s STREAM < LINES\n", argv[0]);
        return 2;
    }
    static struct loop loop;
    firehose_result *result = firehose_result_new();
    firehose_config *config = firehose_config_new();
    firehose_client *client = NULL;
    int failed = 1;
    if (firehose_config_set(config, "producer.reports", "all", result) != FIREHOSE_OK ||
        firehose_client_new(config, &client, result) != FIREHOSE_OK ||
        firehose_producer_new(client, argv[1], NULL, &loop.producer, result) != FIREHOSE_OK) {
        fprintf(stderr, "%s\n", firehose_result_message(result));
    } else {
        run(&loop);
        failed = loop.failed > 0;
        printf("%lu lines, %lu failed\n", loop.put, loop.failed);
    }
    firehose_producer_free(loop.producer);
    firehose_free(client);
    firehose_config_free(config);
    firehose_result_free(result);
    return failed;
}
