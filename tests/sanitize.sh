#!/usr/bin/env bash
# Unit and fuzz tests of the data plane on a build with bounds checks, AddressSanitizer and UBSan;
# then the same generated packets through it and through the release build, which must agree.
# The build lies in build/sanitize; the tree's own extensions are not touched.
set -euo pipefail
cd "$(dirname "$0")/.."

target=build/sanitize
mkdir -p "$target"
DIALOUT_BUILD=sanitize .venv/bin/python setup.py -q build_ext \
    --build-lib "$target" --build-temp "$target/temp" 2> "$target/build.log" \
    || { tail -n 40 "$target/build.log"; exit 1; }
for folder in src/fastpath src/control; do
    (cd src && find "${folder#src/}" -name '*.py' -o -name '*.toml' -o -name 'dictionary*' \
        -o -name 'fp_*.h') |
        while read -r file; do install -D -m 644 "src/$file" "$target/$file"; done
done

# Python itself is not instrumented: its allocator must be the C library's to be seen, and what it
# never frees at exit is not ours. A bus error is a test of the captures, not of the memory.
runtime=$(gcc -print-file-name=libasan.so)
stdcpp=$(gcc -print-file-name=libstdc++.so.6)
checked() {
    ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:handle_sigbus=0 \
    UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
    PYTHONMALLOC=malloc LD_PRELOAD="$runtime $stdcpp" PYTHONPATH="$target" \
        .venv/bin/python -P "$@"
}
checked -m pytest -p no:cacheprovider tests/unit/fastpath \
    tests/fuzz/test_fuzz_{dissect,engine,netmon,pcap}.py tests/unit/control/test_route_file.py \
    tests/unit/control/test_fastpath_filters.py tests/unit/control/test_fastpath_dataplane.py \
    tests/unit/control/test_route_mrt.py "$@"

# The release build must make the same of the same packets.
traffic=$target/traffic
PYTHONPATH=src .venv/bin/python tests/differential.py generate "$traffic"
PYTHONPATH=src .venv/bin/python tests/differential.py run "$traffic" > "$target/release.json"
checked tests/differential.py run "$traffic" > "$target/checked.json"
diff "$target/release.json" "$target/checked.json"
echo "release and checked build agree"
