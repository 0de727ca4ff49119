# libfirehose: `make help` lists what there is to do.

PREFIX     ?= /usr/local
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BINDIR     ?= $(PREFIX)/bin
DESTDIR    ?=
CARGO      ?= cargo
INSTALL    ?= install

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
SOMAJOR := $(firstword $(subst ., ,$(VERSION)))
TARGET  := $(or $(CARGO_TARGET_DIR),target)
RELEASE := $(TARGET)/release
SHARED  := $(RELEASE)/libfirehose.so
ARCHIVE := $(TARGET)/install/libfirehose.a
DESCRIBED := $(TARGET)/install/firehose.pc
PIPE    := $(TARGET)/install/firehose-pipe

.DEFAULT_GOAL := all
.NOTPARALLEL:
.PHONY: all build test demo install uninstall clean help setup-build setup-test

all: setup-build build

# cargo decides what is out of date, so it is always asked.
build:
	$(CARGO) build --release --locked
	@ln -sf libfirehose.so "$(RELEASE)/libfirehose.so.$(SOMAJOR)"

setup-build:
	@packaging/setup.sh build

setup-test:
	@packaging/setup.sh test

demo: all
	@CARGO="$(CARGO)" packaging/demo.sh "$(RELEASE)"

test: setup-test
	$(MAKE) --no-print-directory build
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- --deny warnings
	$(CARGO) test --workspace --locked

# The archive that is installed shows only firehose_*, so that it links beside any other Rust archive.
$(ARCHIVE): build packaging/archive.sh
	@mkdir -p "$(@D)"
	@packaging/archive.sh "$(RELEASE)/libfirehose.a" "$@"

$(DESCRIBED): build packaging/describe.sh $(wildcard packaging/*.in)
	@mkdir -p "$(@D)"
	@CARGO="$(CARGO)" packaging/describe.sh "$(@D)" "$(VERSION)" "$(PREFIX)" "$(LIBDIR)" "$(INCLUDEDIR)"

# What is installed looks for the library where it was installed.
$(PIPE): build $(wildcard examples-c/pipe/*)
	@mkdir -p "$(@D)"
	$(MAKE) --no-print-directory --always-make -C examples-c "$(abspath $@)" OUT="$(abspath $(@D))" \
		FIREHOSE_LIB="$(abspath $(RELEASE))" RPATH="$(LIBDIR)"

install: build $(ARCHIVE) $(DESCRIBED) $(PIPE)
	$(INSTALL) -d "$(DESTDIR)$(BINDIR)" "$(DESTDIR)$(LIBDIR)/pkgconfig" "$(DESTDIR)$(LIBDIR)/cmake/firehose" "$(DESTDIR)$(INCLUDEDIR)"
	$(INSTALL) -m 644 include/firehose.h "$(DESTDIR)$(INCLUDEDIR)/firehose.h"
	$(INSTALL) -m 755 "$(SHARED)" "$(DESTDIR)$(LIBDIR)/libfirehose.so.$(VERSION)"
	ln -sf libfirehose.so.$(VERSION) "$(DESTDIR)$(LIBDIR)/libfirehose.so.$(SOMAJOR)"
	ln -sf libfirehose.so.$(SOMAJOR) "$(DESTDIR)$(LIBDIR)/libfirehose.so"
	$(INSTALL) -m 644 "$(ARCHIVE)" "$(DESTDIR)$(LIBDIR)/libfirehose.a"
	$(INSTALL) -m 755 "$(PIPE)" "$(DESTDIR)$(BINDIR)/firehose-pipe"
	$(INSTALL) -m 644 "$(DESCRIBED)" "$(DESTDIR)$(LIBDIR)/pkgconfig/firehose.pc"
	$(INSTALL) -m 644 "$(TARGET)/install/firehose-config.cmake" "$(TARGET)/install/firehose-config-version.cmake" \
		"$(DESTDIR)$(LIBDIR)/cmake/firehose/"

uninstall:
	rm -f "$(DESTDIR)$(INCLUDEDIR)/firehose.h" "$(DESTDIR)$(LIBDIR)/libfirehose.so.$(VERSION)" \
		"$(DESTDIR)$(LIBDIR)/libfirehose.so.$(SOMAJOR)" "$(DESTDIR)$(LIBDIR)/libfirehose.so" \
		"$(DESTDIR)$(LIBDIR)/libfirehose.a" "$(DESTDIR)$(LIBDIR)/pkgconfig/firehose.pc" \
		"$(DESTDIR)$(BINDIR)/firehose-pipe"
	rm -rf "$(DESTDIR)$(LIBDIR)/cmake/firehose"

clean:
	$(CARGO) clean
	@$(MAKE) --no-print-directory -C examples-c clean

help:
	@echo "make            build $(RELEASE)/libfirehose.so and libfirehose.a (header: include/firehose.h)"
	@echo "make demo       send a real file to a Firehose on this machine and check what arrived"
	@echo "make test       every test, with the tools and servers that they need"
	@echo "make install    into PREFIX ($(PREFIX)), LIBDIR ($(LIBDIR)), INCLUDEDIR ($(INCLUDEDIR)), BINDIR ($(BINDIR)), under DESTDIR"
	@echo "make uninstall  take away what install put there"
	@echo "make clean      remove what was built"
