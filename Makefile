# tidepool: build, try, test, install.
#
#   make              the C module build/tidepool/core.so and the libraries for C hosts
#   make demo         four examples on real input
#   make test         everything in spec/, and the host example; SPEC=map_spec: only that
#                     SAN=address, SAN=thread: built with that sanitizer; SAN=collect: a collector
#                     that collects all garbage at every allocation
#   make collect      the specs of sending, and round trips, with that collector
#   make fuzz         the fuzz targets of spec/fuzz, FUZZ_TIME=60 seconds each
#   make fuzz-seeds   makes their seeds anew
#   make bench        the figures of bench/README.md; bench-quick: fewer rounds of less work
#   make soak         ten million tasks of mixed kinds in bounded memory; N=TASKS: as many
#   make musl         compiles all with musl's C library, runs the tests of the layers below Lua
#   make model        all interleavings of the models of csrc/sched (spec/model), with spin
#   make abi          compares the library's ABI with the last release's, or BASE=REVISION's
#   make docs         HTML of all documents and of both references in build/docs, and its checks
#   make lint layers valgrind overhead rock-test    the other checks; .ci/run runs them all
#   make install uninstall                 PREFIX, DESTDIR
#   make clean
#
# `make demo` and `make test` install what they need with apt, see scripts/setup. To run a script
# from the checkout: scripts/lua SCRIPT.

LUA = lua5.4
LUA_PC = lua5.4
BUSTED = /usr/bin/busted
PKG_CONFIG = pkg-config
CFLAGS = -O2 -g
# Empty it for a compiler that warns of more than those this was written with.
WERROR = -Werror

PREFIX = /usr/local
BINDIR_LUA = $(PREFIX)/lib/lua/5.4
SHAREDIR_LUA = $(PREFIX)/share/lua/5.4
INSTALL = install

# What `make fuzz` compiles with (it must have libFuzzer), and for how long each target runs.
FUZZ_CC = clang
FUZZ_TIME = 60

# V=1 shows the commands.
V =
quiet = $(if $(V),,@echo '  $(1) $(patsubst $(CURDIR)/%,%,$@)';)

SAN =
SPEC =
B = build$(if $(SAN),/$(SAN))

export LUA LUA_PC BUSTED PKG_CONFIG CC FUZZ_CC SAN

ifneq ($(filter-out address thread fuzzer collect,$(SAN)),)
$(error SAN is address, thread or collect, not $(SAN))
endif
san_address = -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
# Of `make fuzz` only: that of `address`, and what a fuzzer steers by.
san_fuzzer = $(san_address) -fsanitize=fuzzer-no-link
# Not under AddressSanitizer, which gives no address out again for long.
san_collect = -O2 -DTI_COLLECT
san_thread = -O1 -fsanitize=thread -fno-omit-frame-pointer
sanflags = $(if $(SAN),$(san_$(SAN)) -DTI_CHECKS)
# What the programs of a sanitizer's build are linked with: for Lua's errors and for fork.
san_object_thread = tsan_longjmp.o
san_object_address = asan_fork.o
# With SAN=collect the interpreter refuses new objects first (lua_main.c).
san_wraps = $(if $(filter collect,$(SAN)),-Wl$(comma)--wrap=lua_newstate)
comma = ,
san_objects = $(addprefix $(abspath $(B))/,$(san_object_$(SAN)))

WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef \
  -Wwrite-strings -Wpointer-arith $(WERROR)
# Asked of pkg-config once, and only when a recipe needs it: on a fresh machine setup comes first.
lua_cflags = $(eval lua_cflags := $$(shell $(PKG_CONFIG) --cflags $(LUA_PC)))$(lua_cflags)
lua_libs = $(eval lua_libs := $$(shell $(PKG_CONFIG) --libs $(LUA_PC)))$(lua_libs)
base_cflags = -std=c11 -D_GNU_SOURCE -pthread $(WARNINGS) $(CFLAGS) $(sanflags) $(lua_cflags)
lib_cflags = $(base_cflags) -fPIC -fvisibility=hidden

version := $(shell sed -n 's/^.define TIDE_VERSION "\(.*\)"/\1/p' csrc/include/tidepool.h)
soname = libtidepool.so.$(firstword $(subst ., ,$(version)))

sources := $(sort $(wildcard csrc/*/*.c))
objects = $(sources:csrc/%.c=$(B)/obj/%.o)
# The objects of some layers: $(call layers,platform util)
layers = $(patsubst csrc/%.c,$(B)/obj/%.o,$(foreach layer,$(1),$(filter csrc/$(layer)/%,$(sources))))
low_objects := $(call layers,platform util sched)
lua_objects := $(call layers,luautil codec vm)

c_test_sources := $(sort $(wildcard spec/unit/*/*_test.c spec/stress/*_test.c))
c_tests := $(c_test_sources:spec/%.c=$(B)/c/%)
spec_modules := $(patsubst spec/support/%.c,$(B)/spec/%.so,$(wildcard spec/support/*.c))
fuzz_targets = $(B)/fuzz/unpack $(B)/fuzz/roundtrip
hosts = $(B)/host/host $(B)/host/host-static
libraries = $(B)/tidepool/core.so $(B)/libtidepool.a $(B)/$(soname)
demos = cube download wordcount mandelbrot

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: all check-setup FORCE demo demo-build bench bench-quick bench-build soak test test-build collect collect-build \
  fuzz fuzz-build fuzz-seeds \
  musl musl-build model abi docs lint layers valgrind overhead rock-test install uninstall clean

all: $(libraries)

# ---------------------------------------------------------------------- build

check-setup:
	@scripts/setup --check build

# Changes when the compiler, its flags or the list of sources do; everything depends on it.
$(B)/flags: FORCE | check-setup
	@mkdir -p $(@D)
	@echo '$(CC) $(lib_cflags) $(LDFLAGS) $(sources)' | cmp -s - $@ || \
	  echo '$(CC) $(lib_cflags) $(LDFLAGS) $(sources)' > $@

$(B)/obj/%.o: csrc/%.c $(B)/flags
	@mkdir -p $(@D)
	$(call quiet,cc)$(CC) $(lib_cflags) -Icsrc -MMD -MP -c -o $@ $<

$(B)/tidepool/core.so: $(objects)
	@mkdir -p $(@D)
	$(call quiet,ld)$(CC) -shared -pthread $(sanflags) $(LDFLAGS) -o $@ $(objects) -lrt

$(B)/libtidepool.a: $(objects)
	@rm -f $@
	$(call quiet,ar)$(AR) rcs $@ $(objects)

$(B)/$(soname): $(objects)
	$(call quiet,ld)$(CC) -shared -pthread $(sanflags) -Wl,-soname,$(soname) $(LDFLAGS) -o $@ $(objects) -lrt

# ----------------------------------------------------------------------- demo

demo:
	@scripts/setup demo
	@$(MAKE) --no-print-directory demo-build
	@for name in $(demos); do \
	  printf '\n== examples/%s.lua\n' $$name; \
	  scripts/lua examples/$$name.lua || exit 1; \
	done

demo-build: $(B)/tidepool/core.so

# ---------------------------------------------------------------------- bench

bench bench-quick:
	@scripts/setup demo
	@scripts/setup bench
	@$(MAKE) --no-print-directory bench-build
	@scripts/lua bench/run.lua $(if $(filter bench-quick,$@),--quick)

# Some 15 minutes.
N = 10000000
soak:
	@scripts/setup demo
	@$(MAKE) --no-print-directory demo-build
	@scripts/lua spec/stress/soak.lua $(N)

bench-build: $(B)/tidepool/core.so $(B)/bench/limits $(B)/bench/limits_shapes $(B)/bench/load \
  $(B)/bench/bench_native.so

$(B)/bench/%: bench/%.c bench/timing.h $(B)/flags
	@mkdir -p $(@D)
	$(call quiet,cc)$(CC) $(base_cflags) $(LDFLAGS) -o $@ $< $(lua_libs)

$(B)/bench/bench_native.so: bench/native.c bench/timing.h $(B)/flags
	@mkdir -p $(@D)
	$(call quiet,cc)$(CC) $(base_cflags) -fPIC -shared $(LDFLAGS) -o $@ $<

# ----------------------------------------------------------------------- test

test:
	@scripts/setup test
	@$(MAKE) --no-print-directory test-build
	@scripts/test $(SPEC)

# What remembers addresses while it runs, with a collector that leaves nothing alive for a moment.
collect:
	@scripts/setup test
	@$(MAKE) --no-print-directory SAN=collect collect-build
	@SAN=collect TIDE_SLOW=30 scripts/test spec/lua/transfer_spec.lua spec/lua/transfer_function_spec.lua \
	  spec/lua/transfer_refusal_spec.lua spec/lua/transfer_life_spec.lua \
	  spec/fuzz/roundtrip_fuzz.c

collect-build: $(B)/tidepool/core.so $(spec_modules) $(B)/fuzz/roundtrip $(B)/lua

test-build: $(libraries) $(spec_modules) $(c_tests) $(fuzz_targets) $(hosts) $(if $(SAN),$(B)/lua)

# The first ten lines of a test may say what it is linked with beyond the layers below Lua:
#   /* link: lua -lm */   lua: Lua and luautil, codec, vm; tidepool: Lua and all layers; else a flag
$(B)/c/%: spec/%.c $(objects) $(san_objects)
	@mkdir -p $(@D)
	$(call quiet,cc)set -e; objects='$(low_objects)'; libs='$(san_objects)'; \
	for word in $$(sed -n '1,10{s,\*/.*,,;s,^[/* ]*link: *,,p}' $<); do case $$word in \
	  lua) objects='$(low_objects) $(lua_objects)' libs="$$libs $(lua_libs)" ;; \
	  tidepool) objects='$(objects)' libs="$$libs $(lua_libs)" ;; \
	  *) libs="$$libs $$word" ;; \
	esac; done; \
	$(CC) $(base_cflags) -Icsrc -Ispec/support -MMD -MP -MF $@.d -MT $@ -o $@ $< $$objects \
	  $(LDFLAGS) $$libs

$(abspath $(B))/%.o: spec/support/sanitizer/%.c $(B)/flags
	$(call quiet,cc)$(CC) $(base_cflags) -c -o $@ $<

# Needs all of liblua: the C modules that scripts load find it in the program.
$(B)/lua: spec/support/sanitizer/lua_main.c $(B)/flags $(san_objects)
	$(call quiet,cc)$(CC) $(base_cflags) -o $@ $< $(san_objects) $(san_wraps) -Wl,-E $(LDFLAGS) -Wl,--whole-archive \
	  $$($(PKG_CONFIG) --variable=libdir $(LUA_PC))/lib$(LUA_PC).a -Wl,--no-whole-archive -lm -ldl

# They stay loaded, since what they share between states outlives each of them.
$(B)/spec/%.so: spec/support/%.c $(B)/flags
	@mkdir -p $(@D)
	$(call quiet,cc)$(CC) $(base_cflags) -fPIC -Icsrc -MMD -MP -MF $@.d -MT $@ -shared \
	  -Wl,-z,nodelete $(LDFLAGS) -o $@ $<

# The host example is built as a user would: with pkg-config, from an installed tree.
prefix = $(abspath $(B))/prefix
installed = $(prefix)/lib/pkgconfig/tidepool.pc
$(installed): $(libraries) $(wildcard lua/tidepool/*.lua lua/tidepool/*/*.lua csrc/include/*.h) \
  scripts/tidepool.pc.in
	@rm -rf $(prefix)
	@$(MAKE) --no-print-directory install PREFIX=$(prefix) DESTDIR= >/dev/null

host_make = PKG_CONFIG_PATH=$(prefix)/lib/pkgconfig $(MAKE) -s --no-print-directory -C examples/host \
  CC='$(CC)' CFLAGS='$(CFLAGS) $(sanflags) $(WARNINGS) $(san_objects)' LUA_PC=$(LUA_PC) OUT=$(abspath $@)
$(B)/host/host: $(wildcard examples/host/*.c) examples/host/Makefile $(installed) $(san_objects)
	@mkdir -p $(@D) && rm -f $@
	+$(call quiet,cc)$(host_make)

$(B)/host/host-static: $(wildcard examples/host/*.c) examples/host/Makefile $(installed) $(san_objects)
	@mkdir -p $(@D) && rm -f $@
	+$(call quiet,cc)$(host_make) TIDEPOOL_LIBS='$(prefix)/lib/libtidepool.a -pthread'

# ----------------------------------------------------------------------- fuzz

fuzz:
	@scripts/setup fuzz
	@$(MAKE) --no-print-directory SAN=fuzzer CC='$(FUZZ_CC)' fuzz-build
	@FUZZ_TIME='$(FUZZ_TIME)' scripts/fuzz

fuzz-build: $(fuzz_targets)

fuzz-seeds: $(B)/fuzz/unpack_seeds
	$< spec/fuzz/seeds/unpack

# Each has libFuzzer's main, or the one that replays inputs for `make test`.
fuzz_main = $(if $(filter fuzzer,$(SAN)),-fsanitize=fuzzer,spec/fuzz/replay.c)
$(B)/fuzz/unpack: spec/fuzz/unpack_fuzz.c spec/fuzz/unpack_parts.c
$(B)/fuzz/roundtrip: $(addprefix spec/fuzz/,roundtrip_fuzz.c graph.c graph_types.c same.c)
$(B)/fuzz/unpack_seeds: spec/fuzz/unpack_seeds.c spec/fuzz/unpack_parts.c
$(B)/fuzz/unpack_seeds: fuzz_main =
$(fuzz_targets) $(B)/fuzz/unpack_seeds: $(wildcard spec/fuzz/*.h) spec/fuzz/replay.c $(low_objects) $(lua_objects) $(san_objects)
	@mkdir -p $(@D)
	$(call quiet,cc)$(CC) $(base_cflags) -Icsrc -o $@ $(filter-out spec/fuzz/replay.c,$(filter %.c,$^)) $(fuzz_main) \
	  $(filter %.o,$^) $(LDFLAGS) $(lua_libs)

# ----------------------------------------------------------------------- musl

# No Lua is packaged for musl. Its headers are used, the module is linked, and the tests that need
# no Lua run.
# `scripts/test` looks in build/$SAN.
MUSL_CC = musl-gcc
musl_lua = $(shell $(PKG_CONFIG) --cflags $(LUA_PC)) -idirafter /usr/include/$(shell gcc -print-multiarch)
musl_tests := $(sort $(shell grep -LE '^[/* ]*link: .*(lua|tidepool)' $(c_test_sources)))

musl:
	@scripts/setup musl
	@$(MAKE) --no-print-directory SAN= B=build/musl CC='$(MUSL_CC)' lua_cflags='$(musl_lua)' musl-build
	@SAN=musl scripts/test $(musl_tests)

musl-build: $(B)/tidepool/core.so $(musl_tests:spec/%.c=$(B)/c/%)

# --------------------------------------------------------------- other checks

model:
	@scripts/setup model
	@scripts/model

BASE =
abi:
	@scripts/setup abi
	@scripts/abi $(BASE)
	@scripts/abi-test

docs:
	@scripts/setup docs
	@$(LUA) scripts/docs-html build/docs
	@scripts/docs-html-test
	@$(LUA) scripts/docs-html-check build/docs build/docs/screenshots

lint:
	@scripts/setup lint
	@scripts/lint

layers:
	@scripts/setup build
	@$(LUA) scripts/layers .
	@scripts/layers-test

valgrind:
	@scripts/setup ci
	@$(MAKE) --no-print-directory test-build
	@scripts/valgrind

overhead:
	@scripts/setup ci
	@$(MAKE) --no-print-directory $(B)/tidepool/core.so
	@scripts/overhead

rock-test:
	@scripts/setup ci
	@scripts/rock-test

# -------------------------------------------------------------------- install

install: $(libraries)
	$(INSTALL) -d $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/lib/pkgconfig \
	  $(DESTDIR)$(BINDIR_LUA)/tidepool $(DESTDIR)$(SHAREDIR_LUA)/tidepool/map
	$(INSTALL) -m 644 csrc/include/*.h $(DESTDIR)$(PREFIX)/include/
	$(INSTALL) -m 644 $(B)/libtidepool.a $(DESTDIR)$(PREFIX)/lib/
	$(INSTALL) -m 755 $(B)/$(soname) $(DESTDIR)$(PREFIX)/lib/libtidepool.so.$(version)
	ln -sf libtidepool.so.$(version) $(DESTDIR)$(PREFIX)/lib/$(soname)
	ln -sf $(soname) $(DESTDIR)$(PREFIX)/lib/libtidepool.so
	$(INSTALL) -m 755 $(B)/tidepool/core.so $(DESTDIR)$(BINDIR_LUA)/tidepool/
	$(INSTALL) -m 644 lua/tidepool/*.lua $(DESTDIR)$(SHAREDIR_LUA)/tidepool/
	$(INSTALL) -m 644 lua/tidepool/map/*.lua $(DESTDIR)$(SHAREDIR_LUA)/tidepool/map/
	sed -e 's,@PREFIX@,$(PREFIX),' -e 's,@VERSION@,$(version),' -e 's,@LUA_PC@,$(LUA_PC),' \
	  scripts/tidepool.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/tidepool.pc
	chmod 644 $(DESTDIR)$(PREFIX)/lib/pkgconfig/tidepool.pc

uninstall:
	rm -f $(patsubst csrc/%,$(DESTDIR)$(PREFIX)/%,$(wildcard csrc/include/*.h))
	rm -f $(DESTDIR)$(PREFIX)/lib/pkgconfig/tidepool.pc
	rm -f $(DESTDIR)$(PREFIX)/lib/libtidepool.a $(DESTDIR)$(PREFIX)/lib/libtidepool.so \
	  $(DESTDIR)$(PREFIX)/lib/$(soname) $(DESTDIR)$(PREFIX)/lib/libtidepool.so.$(version)
	rm -rf $(DESTDIR)$(BINDIR_LUA)/tidepool $(DESTDIR)$(SHAREDIR_LUA)/tidepool

clean:
	rm -rf build

-include $(wildcard $(B)/obj/*/*.d $(B)/c/*/*.d $(B)/c/*/*/*.d $(B)/spec/*.d)
