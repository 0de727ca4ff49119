// A client that lives in a static object of C++ puts and is freed by its destructor, after main has returned.
#include <firehose.h>

#include <cstdio>
#include <cstdlib>
#include <unistd.h>

namespace {

class Sender {
public:
    bool open() {
        firehose_config *config = firehose_config_new();
        firehose_config_set(config, "endpoint", std::getenv("FIREHOSE_TEST_ENDPOINT"), nullptr);
        const bool good = firehose_client_new(config, &client_, nullptr) == firehose_status::FIREHOSE_OK;
        firehose_config_free(config);
        return good;
    }
    bool put(const char *text, std::size_t len) {
        return firehose_put_record(client_, std::getenv("FIREHOSE_TEST_STREAM"), text, len, nullptr) ==
               firehose_status::FIREHOSE_OK;
    }
    ~Sender() {
        const bool good = put("destructor", 10);
        firehose_free(client_);
        if (!good) {
            std::puts("not ok: static_destructor.cpp: the put in the destructor failed");
            std::fflush(stdout);
            _exit(1);
        }
    }

private:
    firehose_client *client_ = nullptr;
};

Sender sender;

} // namespace

int main() { return sender.open() && sender.put("main", 4) ? 0 : 1; }
