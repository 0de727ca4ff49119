/* Neither the locale nor the time zone of the host changes what is signed. Argument: the locale. */
#include "check.h"

#include <locale.h>

int main(int argc, char **argv) {
    firehose_result *r = firehose_result_new();
    CHECK(argc == 2);
    if (setlocale(LC_ALL, argv[1]) == NULL) FAIL("the locale %s is not there", argv[1]);
    setenv("TZ", "<+1337>-13:37", 1);
    tzset();
    firehose_client *c = new_client(NULL);
    for (int i = 0; i < 3; i++) CHECK_STATUS(FIREHOSE_OK, firehose_put_record(c, test_stream(), "I\xc4\xb1i\xc4\xb0", 6, r), r);
    CHECK_STATUS(FIREHOSE_INVALID_ARGUMENT, firehose_put_record(c, "\xc4\xb1", "x", 1, r), r);
    firehose_free(c);
    firehose_result_free(r);
    return 0;
}
