// put STREAM: a record and a batch, from Go.
package main

// #cgo LDFLAGS: -lfirehose
// #include <firehose.h>
import "C"
import "log"
import "os"

func main() {
	stream, client, result := C.CString(os.Args[1]), (*C.firehose_client)(nil), C.firehose_result_new()
	check := func(status C.firehose_status) {
		if status != C.FIREHOSE_OK {
			log.Fatal(C.GoString(C.firehose_result_message(result)))
		}
	}
	check(C.firehose_client_new(nil, &client, result))
	one, two := C.firehose_record{C.CBytes([]byte("one from Go\n")), 12}, C.firehose_record{C.CBytes([]byte("two from Go\n")), 12}
	check(C.firehose_put_record(client, stream, one.data, one.len, result))

	batch := []C.firehose_record{one, two} // what they point to is C's memory, so that Go may hand them on
	status := C.firehose_put_record_batch(client, stream, &batch[0], C.size_t(len(batch)), result)
	for i := range batch {
		log.Printf("record %d: id %s, error %q", i, C.GoString(C.firehose_result_record_id_at(result, C.size_t(i))),
			C.GoString(C.firehose_result_error_code_at(result, C.size_t(i))))
	}
	check(status)
}
