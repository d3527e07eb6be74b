"""Runs fuzz targets with coverage guidance (atheris, which is libFuzzer for Python).

    python tests/fuzz/run.py [TARGET ...] [--seconds N | --inputs N] [--keep]

A crash, a hang of more than 10 s or memory beyond 2 GiB ends the run with exit code 1, and the
input stays in the folder that is told. `--keep` writes what found new code to seeds/TARGET.hex.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
SEEDS = HERE / "seeds"
WORLD = [str(HERE.parent / "protocol"), str(HERE.parent / "protocol" / "conformance")]
"""Where the target `network` finds its world."""
MOST_SEEDS = 150
"""Kept a target, smallest first."""
LONGEST_SEED = 600
"""Octets."""


def read_seeds(name: str) -> list[bytes]:
    """What is kept for a target: a line of hexadecimal digits each."""
    path = SEEDS / f"{name}.hex"
    return [bytes.fromhex(line) for line in path.read_text().split("\n")] if path.exists() else []


def child(name: str, options: list[str]) -> None:
    import atheris

    sys.path[:0] = WORLD
    with atheris.instrument_imports(include=["control"]):
        from targets import TARGETS
    atheris.Setup([sys.argv[0], *options], TARGETS[name])
    atheris.Fuzz()


def fuzz(name: str, limit: str, *, keep: bool) -> bool:
    """One target; False if something was found."""
    folder = Path(tempfile.mkdtemp(prefix=f"dialout-fuzz-{name}-"))
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(read_seeds(name)):
        (corpus / f"seed-{number}").write_bytes(seed)
    limits = ["-timeout=10", "-rss_limit_mb=2048", "-max_len=4096", f"-artifact_prefix={folder}/"]
    done = _run(name, [limit, *limits, "-print_final_stats=1", str(corpus)])
    counts = re.findall(r"stat::number_of_executed_units: *(\d+)|Done (\d+) runs", done.stderr)
    inputs = max((int(a or b) for a, b in counts), default=0)
    peak = re.findall(r"peak_rss_mb: *(\d+)", done.stderr)
    print(f"{name:<18}{inputs:>14,} inputs  {''.join(peak[-1:]):>5} MiB  ", end="")
    if done.returncode:
        print(f"FOUND SOMETHING: see {folder}")
        print(done.stderr[-4000:])
        return False
    print("nothing found")
    if keep:
        _keep(name, corpus)
    return True


def _keep(name: str, corpus: Path) -> None:
    """What is in the corpus has found new code, each input some."""
    found = sorted((path.read_bytes() for path in corpus.iterdir()), key=lambda s: (len(s), s))
    lines = [seed.hex() for seed in found if 0 < len(seed) <= LONGEST_SEED][:MOST_SEEDS]
    (SEEDS / f"{name}.hex").write_text("\n".join(lines))


def _run(name: str, options: list[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(Path(__file__)), "--child", name, *options]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)


def main() -> int:
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3:])
        return 0
    from targets import TARGETS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    limit = parser.add_mutually_exclusive_group()
    limit.add_argument("--seconds", type=int, default=60, help="for each target")
    limit.add_argument("--inputs", type=int, help="for each target")
    parser.add_argument("--keep", action="store_true", help="write the seeds")
    arguments = parser.parse_args()
    unknown = set(arguments.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    if arguments.inputs is not None:
        limit_option = f"-runs={arguments.inputs}"
    else:
        limit_option = f"-max_total_time={arguments.seconds}"
    good = [fuzz(n, limit_option, keep=arguments.keep) for n in arguments.targets or TARGETS]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
