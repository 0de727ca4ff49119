/* The command line. */
#define _POSIX_C_SOURCE 200809L
#define _DEFAULT_SOURCE
#include "pipe.h"
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char USAGE[] = "usage: firehose-pipe [options] STREAM [FILE...]\n";
static const char HELP[] =
    "\n"
    "Sends lines to a stream of Amazon Data Firehose: those of stdin, or those of files, which are followed\n"
    "by name through rotation. Region and keys come from where every AWS tool looks for them.\n"
    "\n"
    "The service\n"
    "  --region NAME          region of the stream\n"
    "  --endpoint URL         another endpoint than that of the region\n"
    "  --profile NAME         profile of ~/.aws/config and ~/.aws/credentials\n"
    "  --set NAME=VALUE       any option of libfirehose; comes before the rest; may be repeated\n"
    "Delivery\n"
    "  --aggregate            many lines in each record: the service bills a record as a multiple of 5 KiB\n"
    "  --gzip                 compress records\n"
    "  --rate BYTES           send no more than this in a second; K and M (1024) may follow\n"
    "  --linger MS            wait this long for a batch to fill (default 100)\n"
    "  --delivery-timeout S   give a line up after this long; without a spool the default is 300\n"
    "  --close-timeout S      how long the end may take (default 300)\n"
    "  --spool DIR            keep what is not delivered yet in DIR, over restarts and kill -9\n"
    "  --spool-bytes BYTES    how much; K, M and G may follow (default 1G)\n"
    "Files\n"
    "  --from-start           read files from their start, where no position is kept; else from their end\n"
    "  --once                 read files from their start, or from the kept position, to their end, and leave\n"
    "  --state FILE           keep positions here; with --spool the default is firehose-pipe.state in DIR\n"
    "Telling\n"
    "  --metrics FILE         counters for Prometheus (textfile collector), each 5 seconds\n"
    "  --quiet                only errors on stderr\n"
    "  --verbose              the library's log too, down to debugging\n"
    "  --version, --help\n"
    "\n"
    "SIGTERM, SIGINT: read no more and deliver what was read, within --close-timeout; a second one ends at\n"
    "once. SIGHUP: look at once whether files were rotated.\n"
    "Lines keep their newline; a last line without one is given one. A line over 1,024,000 bytes with its\n"
    "newline fits no record: it is skipped, told on stderr and counted.\n"
    "Files may be rotated by rename or copytruncate. What logrotate moved aside is looked for under the\n"
    "file's name followed by dots, dashes and digits, so rotate with delaycompress.\n"
    "With --spool a line is safe once it is in the spool; with --state alone once it is delivered. After\n"
    "a kill -9 lines since the last position (kept 5 times a second; each 5 seconds without a spool) come twice.\n"
    "\n"
    "Exit status: 0 all was delivered, or is safe in the spool; 1 some lines were not; 2 usage or settings.\n";

enum { REGION = 256, ENDPOINT, PROFILE, SET, AGGREGATE, GZIP, RATE, LINGER, DELIVERY, CLOSE, SPOOL, SPOOL_BYTES,
       FROM_START, ONCE, STATE, METRICS, QUIET, VERBOSE, VERSION, HELP_ASKED };

static const struct option LONG[] = {
    {"region", required_argument, NULL, REGION},       {"endpoint", required_argument, NULL, ENDPOINT},
    {"profile", required_argument, NULL, PROFILE},     {"set", required_argument, NULL, SET},
    {"aggregate", no_argument, NULL, AGGREGATE},       {"gzip", no_argument, NULL, GZIP},
    {"rate", required_argument, NULL, RATE},           {"linger", required_argument, NULL, LINGER},
    {"delivery-timeout", required_argument, NULL, DELIVERY}, {"close-timeout", required_argument, NULL, CLOSE},
    {"spool", required_argument, NULL, SPOOL},         {"spool-bytes", required_argument, NULL, SPOOL_BYTES},
    {"from-start", no_argument, NULL, FROM_START},     {"once", no_argument, NULL, ONCE},
    {"state", required_argument, NULL, STATE},         {"metrics", required_argument, NULL, METRICS},
    {"quiet", no_argument, NULL, QUIET},               {"verbose", no_argument, NULL, VERBOSE},
    {"version", no_argument, NULL, VERSION},           {"help", no_argument, NULL, HELP_ASKED},
    {NULL, 0, NULL, 0},
};

/* A whole number from 0 on, times unit, with a suffix of K, M or G where suffixes are allowed. */
static bool number(const char *text, bool suffixes, uint64_t unit, uint64_t *value) {
    char *end;
    errno = 0;
    if (text[0] < '0' || text[0] > '9')
        return false;
    uint64_t n = strtoull(text, &end, 10);
    uint64_t factor = unit;
    if (suffixes && *end != '\0') {
        const char *suffix = strchr("KMG", *end);
        if (suffix == NULL)
            return false;
        for (factor = 1024; *suffix != 'K'; suffix--)
            factor *= 1024;
        if (suffix[0] == 'K')
            end++;
    }
    if (errno != 0 || *end != '\0' || n > (uint64_t)INT64_MAX / factor)
        return false;
    *value = n * factor;
    return true;
}

static bool set(firehose_config *config, const char *name, const char *value, firehose_result *result) {
    if (firehose_config_set(config, name, value, result) == FIREHOSE_OK)
        return true;
    tell("%s", firehose_result_message(result));
    return false;
}

/* An option of the library that is a number here. */
static bool set_number(firehose_config *config, const char *option, const char *name, const char *text, bool suffixes,
                       uint64_t unit, firehose_result *result) {
    uint64_t value;
    char digits[32];
    if (!number(text, suffixes, unit, &value)) {
        tell("--%s %s: must be a whole number%s", option, text, suffixes ? ", which K, M or G may follow" : "");
        return false;
    }
    snprintf(digits, sizeof digits, "%" PRIu64, value);
    return set(config, name, digits, result);
}

static bool set_pair(firehose_config *config, const char *pair, firehose_result *result) {
    const char *equals = strchr(pair, '=');
    char name[128];
    if (equals == NULL || equals == pair || (size_t)(equals - pair) >= sizeof name) {
        tell("--set %s: must be NAME=VALUE", pair);
        return false;
    }
    memcpy(name, pair, (size_t)(equals - pair));
    name[equals - pair] = '\0';
    return set(config, name, equals + 1, result);
}

static bool one(struct options *o, int option, char *text, firehose_result *result) {
    firehose_config *c = o->config;
    uint64_t value;
    switch (option) {
    case REGION:      return set(c, "region", text, result);
    case ENDPOINT:    return set(c, "endpoint", text, result);
    case PROFILE:     return set(c, "profile", text, result);
    case SET:         return set_pair(c, text, result);
    case AGGREGATE:   return set(c, "producer.aggregate", "true", result);
    case GZIP:        return set(c, "producer.compression", "gzip", result);
    case RATE:        return set_number(c, "rate", "producer.max_bytes_per_second", text, true, 1, result);
    case LINGER:      return set_number(c, "linger", "producer.linger_ms", text, false, 1, result);
    case DELIVERY:
        return set_number(c, "delivery-timeout", "producer.delivery_timeout_ms", text, false, 1000, result);
    case SPOOL:       o->spool = text; return set(c, "producer.spool_dir", text, result);
    case SPOOL_BYTES: return set_number(c, "spool-bytes", "producer.spool_bytes", text, true, 1, result);
    case FROM_START:  o->from_start = true; return true;
    case ONCE:        o->once = true; o->from_start = true; return true;
    case STATE:       o->state = text; return true;
    case METRICS:     o->metrics = text; return true;
    case QUIET:       o->quiet = true; return true;
    case VERBOSE:     o->verbose = true; return true;
    case CLOSE:
        if (!number(text, false, 1, &value) || value > 1000000) {
            tell("--close-timeout %s: must be a whole number of seconds up to 1000000", text);
            return false;
        }
        o->close_timeout_s = (int)value;
        return true;
    default:
        fputs(USAGE, stderr);
        return false;
    }
}

bool options_read(struct options *o, int argc, char **argv, firehose_result *result, int *status) {
    *status = EXIT_USAGE;
    o->close_timeout_s = 300;
    /* First the library's log and the newline, so that --set can change both. */
    if (!set(o->config, "producer.delimiter", "\n", result) || !set(o->config, "log_fd", "2", result))
        return false;
    for (int option; (option = getopt_long(argc, argv, "", LONG, NULL)) != -1;) {
        if (option == HELP_ASKED || option == VERSION) {
            if (option == HELP_ASKED)
                printf("%s%s", USAGE, HELP);
            else
                printf("firehose-pipe %s\n", firehose_version());
            *status = EXIT_DELIVERED;
            return false;
        }
        if (!one(o, option, optarg, result))
            return false;
    }
    if (optind >= argc) {
        tell("no stream is given");
        fputs(USAGE, stderr);
        return false;
    }
    o->stream = argv[optind];
    o->files = argv + optind + 1;
    o->file_count = argc - optind - 1;
    if (o->file_count == 0 && (o->once || o->from_start || o->state != NULL)) {
        tell("--once, --from-start and --state are for files, and none is given");
        return false;
    }
    const char *level = o->verbose ? "debug" : o->quiet ? "error" : "warn";
    return set(o->config, "log_level", level, result);
}
