#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
#
# Cargo's RUSTC_WORKSPACE_WRAPPER: compiles the crates of this workspace with LLVM's coverage pass, which needs no
# nightly compiler (a counter for each edge, each comparison told to the engine), and with checks for overflows. Crates
# of others are what every release build uses, and are not built again.
case " $* " in
    # What runs while building has no engine to count for; questions about the compiler need none.
    *" build_script_build "* | *" --print"*) exec "$@" ;;
esac
exec "$@" -C passes=sancov-module -C llvm-args=-sanitizer-coverage-level=4 \
    -C llvm-args=-sanitizer-coverage-inline-8bit-counters -C llvm-args=-sanitizer-coverage-pc-table \
    -C llvm-args=-sanitizer-coverage-trace-compares \
    -C opt-level=1 -C overflow-checks=on -C debug-assertions=on
