"""`ssbray train surrogate --tune N`: the options of the training by Bayesian optimisation, before the training."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ssbray.cli.progress import StepProgress
from ssbray.codeversion import code_version
from ssbray.errors import InputError, nearest
from ssbray.files import dump_json, write_json

if TYPE_CHECKING:
    from ssbray.surrogate import TrainingConfig
    from ssbray.surrogate.search import Examples

TRIALS_FILE = "trials.json"
MEMBERS = 4  #: of a trial: half of a model's, which halves the cost and leaves the order of settings much as it is


class TrialProgress(StepProgress):
    """Trials of a search."""

    unit = "trials"


def options(command: Any) -> None:
    """Declare the options."""
    command.add_argument("--set", action="append", metavar="NAME=VALUE", default=[],
                         help="an option of the training, e.g. --set hidden=32; a search leaves it as it is")
    command.add_argument("--tune", type=int, metavar="N", help="search the options first: N trials on Ray, scored by "
                         "the NLL of a quarter of the training designs; run again to go on")
    command.add_argument("--minutes", type=float, metavar="M", help="for the search; trials that run then are stopped")
    command.add_argument("--trial-members", type=int, default=MEMBERS, metavar="K",
                         help=f"members of the mixture in a trial (default {MEMBERS}, or all if fewer)")
    command.add_argument("--workers", type=int, metavar="W", help="trials side by side (default: one per CPU)")
    command.add_argument("--tracking-uri", metavar="URI", help="MLflow for the search (default: MLFLOW_TRACKING_URI, "
                         "or mlflow.db beside MODEL; none: nowhere)")


def check(args: argparse.Namespace) -> None:
    """Refuse numbers that mean nothing, before anything is read."""
    for name, value in (("--tune", args.tune), ("--workers", args.workers), ("--trial-members", args.trial_members)):
        if value is not None and value < 1:
            raise InputError(name, value, "must be at least 1")
    if args.minutes is not None and not args.minutes > 0:
        raise InputError("--minutes", args.minutes, "must be a positive number of minutes")
    if args.tune is None and (args.minutes is not None or args.workers is not None or args.tracking_uri is not None):
        raise InputError("--tune", None, "--minutes, --workers and --tracking-uri go with it: say how many trials")


def config_of(entries: Sequence[str]) -> tuple[TrainingConfig, tuple[str, ...]]:
    """Options of the training, and the names of those that the user has set."""
    from ssbray.surrogate import TrainingConfig

    given: dict[str, str] = {}
    for entry in entries:
        name, separator, value = entry.partition("=")
        if not separator:
            raise InputError("--set", entry, "write it as NAME=VALUE, e.g. --set hidden=32")
        if name not in TrainingConfig.model_fields:
            raise InputError("--set", name, nearest(name, TrainingConfig.model_fields))
        given[name] = value
    try:
        return TrainingConfig.model_validate(given), tuple(given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ", ".join(given)
        raise InputError(f"--set {name}", given.get(name), first["msg"]) from None


def tuned(args: argparse.Namespace, config: TrainingConfig, fixed: Sequence[str], examples: Examples
          ) -> tuple[TrainingConfig, dict[str, Any]]:
    """The options that the search chose, and what the model's card says of it. Writes the table as it grows."""
    from ssbray.cluster.session import connect_quietly
    from ssbray.surrogate.search import searched

    space = searched(config, fixed)
    members = min(args.trial_members, config.members)
    each = max(2, config.samples // config.members)
    trial = config.model_copy(update={"members": members, "samples": each * members})
    path = Path(args.out) / TRIALS_FILE
    about = {"data_sha256": examples.sha256, "seed": args.seed, "device": args.device, "config": trial.model_dump(),
             "space": {name: [one.low, one.high] for name, one in space.items()},
             "code": code_version(("surrogate",), ("rng.py",)),
             "graphs": len(examples.graphs), "validation": int(examples.validation.sum())}
    rows: list[dict[str, Any]] = []
    earlier = _known(path, about)

    def keep(row: dict[str, Any]) -> None:
        rows.append({name: value for name, value in row.items() if name != "recalled"})
        bar.step(len(rows), args.tune)
        tracker.trial(rows[-1])
        _write(path, about, rows, earlier)

    with _tracking(args, about) as tracker, TrialProgress("search") as bar, connect_quietly(args.workers):
        from ssbray.cluster.tuning import Effort, best_of, search

        effort = Effort(trials=args.tune, workers=args.workers, minutes=args.minutes)
        found = search(examples, trial, space, effort, seed=args.seed, device=args.device, known=earlier, tell=keep)
        best = best_of(found)
        _write(path, about, found, earlier)
        tracker.finished(best, found[0], path)
    chosen = type(config).model_validate(config.model_dump() | best["settings"])
    failed = sum(row["nll"] is None for row in found)
    return chosen, {**about, "asked": args.tune, "trials": len(found), "failed": failed, "best": best,
                    "first": found[0], "rows": found, "mlflow_run_id": tracker.run_id,
                    "note": "The validation NLL of the best of many is lower than what new specimens will give: judge "
                    "the model by `ssbray evaluate surrogate`."}


def _known(path: Path, about: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of an earlier search of the same; none if the file is of another, which is said."""
    try:
        content = json.loads(path.read_text())
        rows, same = [*content["trials"], *content["earlier"]], content["search"] == json.loads(dump_json(about))
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError):
        raise InputError(TRIALS_FILE, str(path), "is no table of trials: remove it, or name another --out") from None
    if not same:
        print(f"ssbray: {path} is of another search (data, seed, options or version): beginning anew", file=sys.stderr)
        return []
    return [row for row in rows if row["nll"] is not None]


def _write(path: Path, about: dict[str, Any], rows: Sequence[dict[str, Any]], earlier: Sequence[dict[str, Any]]
           ) -> None:
    """The table, and what an earlier search knew besides."""
    new = [row["settings"] for row in rows]
    write_json(path, {"search": about, "trials": sorted(rows, key=lambda row: row["trial"]),
                      "earlier": [row for row in earlier if row["settings"] not in new]})


@contextmanager
def _tracking(args: argparse.Namespace, about: dict[str, Any]) -> Iterator[Any]:
    """A tracker, told how the search ends."""
    from ssbray.tracking.search import SearchTracker, Silence

    out = Path(args.out).resolve()
    uri = args.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{out.parent / 'mlflow.db'}"
    if uri == "none":
        yield Silence()
        return
    params = {name: about[name] for name in ("seed", "graphs", "validation", "data_sha256")} | {
        f"config.{name}": value for name, value in about["config"].items()}
    tracker = SearchTracker(uri, None if "://" in uri and not uri.startswith("sqlite") else out.parent / "mlartifacts",
                            out.name, hashlib.sha256(dump_json([str(out), about]).encode()).hexdigest(), params)
    status = "FAILED"
    try:
        yield tracker
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        tracker.close(status)
