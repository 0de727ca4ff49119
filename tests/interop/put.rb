require "ffi"
module Firehose
  extend FFI::Library
  ffi_lib ENV.fetch("FIREHOSE_LIBRARY", "libfirehose.so.1")
  attach_function :result_new, :firehose_result_new, [], :pointer
  attach_function :message, :firehose_result_message, [:pointer], :string
  attach_function :error_code_at, :firehose_result_error_code_at, [:pointer, :size_t], :string
  attach_function :client_new, :firehose_client_new, [:pointer, :pointer, :pointer], :int32
  attach_function :put, :firehose_put_record, [:pointer, :string, :buffer_in, :size_t, :pointer], :int32, blocking: true
  attach_function :put_batch, :firehose_put_record_batch, [:pointer, :string, :buffer_in, :size_t, :pointer], :int32, blocking: true
end
stream, lines, result = ARGV.fetch(0), ["one from Ruby\n", "two from Ruby\n"], Firehose.result_new
check = ->(status) { abort Firehose.message(result) unless status.zero? }
client = FFI::MemoryPointer.new(:pointer).tap { |out| check[Firehose.client_new(nil, out, result)] }.read_pointer
check[Firehose.put(client, stream, lines[0], lines[0].bytesize, result)]
texts = lines.map { |line| FFI::MemoryPointer.from_string(line) }
records = texts.flat_map { |text| [text.address, text.size - 1] }.pack("J*") # struct firehose_record: data, len
status = Firehose.put_batch(client, stream, records, lines.size, result)
lines.each_index { |i| puts "record #{i}: error #{Firehose.error_code_at(result, i).inspect}" }
check[status]
