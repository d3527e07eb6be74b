#!/usr/bin/env bash
# The torture of versions, and the tests of versions, on a build with ThreadSanitizer.
# The build lies in build/thread; the tree's own extensions are not touched. What it cannot see
# stands in docs/architecture.md, "Versions and grace periods".
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-.venv/bin/python}
target=build/thread
mkdir -p "$target"
DIALOUT_BUILD=thread "$python" setup.py -q build_ext \
    --build-lib "$target" --build-temp "$target/temp" 2> "$target/build.log" \
    || { tail -n 40 "$target/build.log"; exit 1; }
for folder in src/fastpath src/control; do
    (cd src && find "${folder#src/}" -name '*.py' -o -name '*.toml' -o -name 'dictionary*') |
        while read -r file; do install -D -m 644 "src/$file" "$target/$file"; done
done

# Python itself is not instrumented: its locks are seen (they are the C library's), its memory is
# not.
checked() {
    TSAN_OPTIONS=exitcode=66:history_size=4:report_signal_unsafe=0 \
    LD_PRELOAD=$(gcc -print-file-name=libtsan.so) PYTHONPATH="$target" "$python" -P "$@"
}
checked tests/torture.py --swaps 1000 --lookups 1000000
checked -m pytest -p no:cacheprovider tests/unit/fastpath/test_versions.py \
    -k "not bursts_see and not sleep_between" "$@"
