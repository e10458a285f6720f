"""Every benchmark in one table, beside what a user would otherwise pick; losses included.

    python benchmarks/table.py [--only NAME ...] [--dir build/bench] [--out docs/benchmarks.md]

Each step runs in a process of its own on one thread, in minutes. A step that is done, by this version of the code and
with these arguments, is not done again; so a run that was stopped goes on. Peers that are not installed (extra `bench`)
are left out of the table. Ratios within a row are what to compare: seconds are those of this machine.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BENCH = Path(__file__).resolve().parent
PACKAGES = ("numpy", "scipy", "torch", "ray", "scikit-fem", "pyro-ppl", "pyamg", "taufactor", "porespy",
            "openpnm", "optuna", "botorch", "scikit-learn")
BROKEN_PROMISE = 3  #: exit code of a benchmark that came to its end and whose result is not what was promised
THREADS = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
HEAD = """# Beside what a user would otherwise pick

Made by `make bench`, which runs `benchmarks/table.py`. One thread unless a row says otherwise. The ratio is that of the
best other to ours where less is better, and of ours to the best other where more is: above 1 we are ahead, below 1 we
are not.
"""


def steps(place: Path) -> dict[str, list[list[str]]]:
    """Commands of each step, in the order in which they are run."""
    python, ssbray = sys.executable, [sys.executable, "-m", "ssbray.cli"]
    store, model = str(place / "store"), str(place / "surrogate")
    images, segmenter = str(place / "micrographs"), str(place / "segmenter")
    script = {path.stem: [python, str(path)] for path in BENCH.glob("*.py")}
    jobs = str(ROOT / "jobs")
    return {
        "fea": [[*script["fea"], "--sides", "256", "512", "--volumes", "48", "--patience", "8"],
                [*script["porous"]]],
        "search": [[*script["search"], "--seeds", "5", "--results", str(place / "search.jsonl")],
                   [*script["search"], "--methods", "ssbray", "random", "TPE", "GP", "BoTorch", "--functions",
                    "Hartmann6", "Ackley5", "--seeds", "3", "--budget", "60", "--results",
                    str(place / "search.jsonl")]],
        "surrogate": [[*ssbray, "dataset", "build", f"{jobs}/llzo_nmc.yaml", "--count", "360", "--seed", "101",
                       "--out", store],
                      [*ssbray, "train", "surrogate", "--data", store, "--out", model, "--hold-out", "0.55"],
                      [*script["learnt"], "--model", model, "--data", store]],
        "segmentation": [[*ssbray, "specimen", f"{jobs}/micrographs.yaml", "--count", "60", "--seed", "1", "--out",
                          images],
                         [*script["segmentation"], "--data", images, "--minutes", "3", "--seeds", "0", "1", "2",
                          "--threads", "1"]],
        "frame": [[*ssbray, "train", "segmenter", "--data", images, "--out", segmenter, "--steps", "40", "--members",
                   "1"], [*script["frame"], "--model", segmenter]],
        "graph": [[*script["graph"]]],
        "campaign": [[*script["fidelity"]],
                     [*script["equal_budget"], "--sizes", "few", "--home", str(place / "equal")]],
        "orchestration": [[*script["orchestration"]]],
        "serving": [[*script["serving"], "--segmenter", segmenter, "--surrogate", model]],
    }


def main() -> int:
    """Run what is not there yet, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=list(steps(Path("."))))
    parser.add_argument("--dir", type=Path, default=Path("build/bench"))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    options.dir.mkdir(parents=True, exist_ok=True)
    place, failed = options.dir.resolve(), []
    for name, commands in steps(place).items():
        if options.only is None or name in options.only:
            failed += [] if done(place, name, commands) else [name]
    text = page(place, list(steps(place)))
    print(text)
    if options.out:
        options.out.write_text(text)
    for name in failed:
        print(f"benchmarks: step {name} failed: see {place / name}.log", file=sys.stderr)
    return 1 if failed else 0


def done(place: Path, name: str, commands: Sequence[Sequence[str]]) -> bool:
    """Run a step unless it is there; says whether it has come to its end."""
    stamp = hashlib.sha256(json.dumps([commands, version(), packages()]).encode()).hexdigest()
    kept = place / f"{name}.json"
    if kept.exists() and json.loads(kept.read_text())["stamp"] == stamp:
        return True
    print(f"{name} ...", file=sys.stderr, flush=True)
    rows, log, began = place / f"{name}.rows", place / f"{name}.log", time.perf_counter()
    rows.unlink(missing_ok=True)
    with log.open("w") as out:
        for command in commands:
            environment = {**os.environ, **THREADS, "SSBRAY_BENCH": str(rows), "RAY_USAGE_STATS_ENABLED": "0"}
            code = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, env=environment, cwd=ROOT).returncode
            if code and (code != BROKEN_PROMISE or command is not commands[-1]):
                return False
    found = [json.loads(line) for line in rows.read_text().splitlines()] if rows.exists() else []
    if found:
        kept.write_text(json.dumps({"stamp": stamp, "seconds": time.perf_counter() - began, "rows": found,
                                    "made": made_on()}))
    return bool(found)


def version() -> str:
    """Digest of the package and of the benchmarks."""
    digest = hashlib.sha256()
    for path in sorted([*(ROOT / "ssbray").rglob("*.py"), *(ROOT / "ssbray").rglob("*.yaml"), *BENCH.glob("*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def page(place: Path, names: Iterable[str]) -> str:
    """The table in markdown, with machine and versions."""
    rows: list[Mapping[str, Any]] = []
    seconds, machines = 0.0, dict[str, list[str]]()
    for name in names:
        kept = place / f"{name}.json"
        if kept.exists():
            content = json.loads(kept.read_text())
            rows, seconds = [*rows, *content["rows"]], seconds + content["seconds"]
            machines.setdefault(content["made"], []).append(name)
    lines = ["| | case | quantity | ssbray | best other | ratio | others | |", "|" + " --- |" * 8]
    for row in rows:
        better = min if row["less_is_better"] else max
        peers = {name: value for name, value in row["peers"].items() if value is not None and value == value}
        best = better(peers, key=lambda name, peers=peers: peers[name]) if peers else None
        ratio = "" if best is None else gain(row["ours"], peers[best], row["less_is_better"])
        others = ", ".join(f"{name} {value:.3g}" for name, value in peers.items() if name != best)
        lines.append(f"| {row['topic']} | {row['case']} | {row['quantity']} | {row['ours']:.3g} {row['spread']} | "
                     + (f"{best} {peers[best]:.3g}" if best else "") + f" | {ratio} | {others} | {row['note']} |")
    made = [f"Steps {', '.join(which)}: made on {machine}.\n" for machine, which in machines.items()]
    return "\n".join([HEAD, *lines, "", *made, f"{seconds / 60:.0f} minutes in all.", ""])


def packages() -> str:
    """Versions of what is installed."""
    return ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES if there(name))


def made_on() -> str:
    """Machine, versions and day."""
    return (f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; {packages()}; ssbray "
            f"{version()}; {time.strftime('%Y-%m-%d')}")


def gain(ours: float, other: float, less_is_better: bool) -> str:
    """By how much we are ahead; where a quantity may be zero or negative, a ratio says nothing."""
    top, bottom = (other, ours) if less_is_better else (ours, other)
    return f"{top / bottom:.2g}" if top > 0 and bottom > 0 else ""


def there(name: str) -> bool:
    """Whether a package is installed."""
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
