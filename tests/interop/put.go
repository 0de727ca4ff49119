package main

// #cgo LDFLAGS: -lfirehose
// #include <firehose.h>
import "C"
import "log"
import "os"

func main() {
	stream, client, result := C.CString(os.Args[1]), (*C.firehose_client)(nil), C.firehose_result_new()
	batch := []C.firehose_record{{C.CBytes([]byte("one from Go\n")), 12}, {C.CBytes([]byte("two from Go\n")), 12}}
	if C.firehose_client_new(nil, &client, result) != C.FIREHOSE_OK ||
		C.firehose_put_record(client, stream, batch[0].data, batch[0].len, result) != C.FIREHOSE_OK ||
		C.firehose_put_record_batch(client, stream, &batch[0], C.size_t(len(batch)), result) != C.FIREHOSE_OK {
		defer log.Fatal(C.GoString(C.firehose_result_message(result)))
	}
	for i := C.size_t(0); i < C.firehose_result_record_count(result); i++ {
		log.Printf("record %d: error %q", i, C.GoString(C.firehose_result_error_code_at(result, i)))
	}
}
