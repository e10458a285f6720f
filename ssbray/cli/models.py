"""`ssbray models list | register | promote | fetch`: trained models in MLflow's registry, and who is champion."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ssbray.campaign import dataset
from ssbray.campaign.dataset import TRAINING_FILE
from ssbray.cli.output import directory, emit, json_option
from ssbray.errors import InputError

if TYPE_CHECKING:
    from ssbray.tracking import Scores, Version


def add(commands: Any) -> None:
    """Declare the commands."""
    group = commands.add_parser("models", help="registered models: see, promote to champion, fetch")
    actions = group.add_subparsers(dest="action", required=True, metavar="ACTION")
    look = actions.add_parser("list", help="versions, their held-out scores, and the champion")
    look.set_defaults(run=run_list)
    register = actions.add_parser("register", help="keep a model as a new version, which then tries for champion")
    register.add_argument("model", metavar="MODEL", help="directory that `ssbray train` or a campaign wrote")
    register.add_argument("--data", metavar="STORE", help="specimens to score a surrogate on; those that it has learnt "
                          "from are left out")
    register.set_defaults(run=run_register)
    promote = actions.add_parser("promote", help="make a version champion, if its held-out scores are better")
    promote.add_argument("version", type=int, metavar="VERSION")
    promote.add_argument("--data", metavar="STORE", help="score it and the champion anew, on specimens that neither "
                         "has learnt from")
    promote.add_argument("--anyway", action="store_true", help="whatever the scores say")
    promote.set_defaults(run=run_promote)
    fetch = actions.add_parser("fetch", help="bring a model here")
    fetch.add_argument("model", metavar="MODEL", help="models:/NAME@champion, or models:/NAME/3")
    fetch.add_argument("--out", default="models", metavar="DIR", help="where (default models)")
    fetch.set_defaults(run=run_fetch)
    for parser in (look, promote):
        parser.add_argument("--name", default="ssbray-surrogate", metavar="NAME")
    for parser in (look, register, promote, fetch):
        parser.add_argument("--uri", metavar="URI", help="of MLflow (default: the store in --dir)")
        parser.add_argument("--dir", default="campaigns", metavar="DIR", help="home of campaigns (default campaigns)")
        json_option(parser)


def run_list(args: argparse.Namespace) -> int:
    """One line per version."""
    from ssbray.tracking import registry

    rows = [_row(version) for version in registry.versions(_uri(args), args.name)]
    if args.json:
        emit({"name": args.name, "versions": rows}, True)
        return 0
    print(f"{args.name:<24} {'NLL':>9} {'coverage 90':>12} {'specimens':>10}  champion")
    for row in rows:
        scores = row["scores"] or {"nll": float("nan"), "coverage90": float("nan"), "n": 0}
        print(f"{row['version']:<24} {scores['nll']:9.3f} {scores['coverage90']:12.1%} {scores['n']:10d}  "
              f"{'yes' if row['champion'] else ''}")
    return 0


def run_register(args: argparse.Namespace) -> int:
    """Score, keep, and try for the title: 0 when it won it, or when there is none to win by scores."""
    from ssbray import tracking

    place = Path(args.model)
    judged = not (place / "card.json").exists()  # nets of a segmenter have neither likelihood nor coverage
    if not judged:
        version = tracking.register(_uri(args), tracking.SEGMENTER, place, None, home=Path(args.dir))
    else:
        if args.data is None:
            raise InputError("--data", None, "is needed to score a surrogate: name a store of `ssbray dataset build`")
        (scores,) = _scored([place], Path(args.data))
        version = tracking.register(_uri(args), tracking.SURROGATE, place, scores, home=Path(args.dir))
    code = _tell(tracking.promote(_uri(args), version.name, version.version), version.name, args)
    return code if judged else 0


def run_promote(args: argparse.Namespace) -> int:
    """0 when it is champion now; else 1."""
    from ssbray import tracking

    scores = None
    if args.data is not None:
        import tempfile

        from ssbray.tracking import registry

        rivals = [version for version in registry.versions(_uri(args), args.name)
                  if version.version == args.version or version.champion]
        with tempfile.TemporaryDirectory() as place:
            bundles = [tracking.fetch(_uri(args), f"models:/{args.name}/{each.version}", Path(place))
                       for each in rivals]
            scores = dict(zip((each.version for each in rivals), _scored(bundles, Path(args.data)), strict=True))
    return _tell(tracking.promote(_uri(args), args.name, args.version, scores=scores, anyway=args.anyway), args.name,
                 args)


def run_fetch(args: argparse.Namespace) -> int:
    """Copy, checked."""
    from ssbray import tracking

    place = tracking.fetch(_uri(args), args.model, directory(args.out))
    emit({"model": args.model, "directory": str(place)}, args.json)
    return 0


def _uri(args: argparse.Namespace) -> str:
    from ssbray.tracking import store_uri

    return store_uri(args.uri, Path(args.dir))


def _row(version: Version) -> dict[str, Any]:
    scores = version.scores
    return {"version": version.version, "champion": version.champion, "sha256": version.sha256,
            "run_id": version.run_id, "scores": None if scores is None else {
                "nll": scores.nll, "coverage90": scores.coverage90, "n": scores.n, "data": scores.data}}


def _tell(decision: Any, name: str, args: argparse.Namespace) -> int:
    emit({"name": name, "version": decision.version, "promoted": decision.promoted, "champion": decision.champion,
          "reason": decision.reason}, args.json)
    return 0 if decision.promoted else 1


def _scored(bundles: Sequence[Path], store: Path) -> list[Scores]:
    """Scores of surrogates on the specimens of a store whose designs none of them has learnt from."""
    from ssbray.surrogate import Surrogate
    from ssbray.tracking import Scores

    keys: set[str] = set()
    groups: set[str] = set()
    for bundle in bundles:
        path = bundle / TRAINING_FILE
        if not path.exists():
            raise InputError("MODEL", str(bundle), f"lacks {TRAINING_FILE}, so what it has learnt from is not known: "
                             "train it with `ssbray train surrogate`")
        training = json.loads(path.read_text())
        keys |= set(training["keys"])
        if not (Path(training["store"]) / "ledger.sqlite").exists():
            raise InputError("MODEL", str(bundle), f"its training data {training['store']} is not there, so designs "
                             "that it has learnt from cannot be left out")
        groups |= {group for key, group, *_ in dataset.read(Path(training["store"])) if key in set(training["keys"])}
    rows = [row for row in dataset.read(store) if row[0] not in keys and row[1] not in groups and row[3] > 0
            and row[2].sigma_network > 0]
    if len(rows) < 2:
        raise InputError("--data", str(store), "holds fewer than two conducting specimens of designs that the models "
                         "have not learnt from: build another store")
    data = hashlib.sha256(json.dumps(sorted(key for key, *_ in rows)).encode()).hexdigest()
    truth = np.log([sigma for *_, sigma in rows])
    found = []
    for bundle in bundles:
        model = Surrogate.load(bundle)
        mean, epistemic, aleatoric = model.predict_arrays([graph for _, _, graph, _ in rows])
        std, error = np.hypot(epistemic, aleatoric), truth - mean
        nll = 0.5 * (error / std) ** 2 + np.log(std) + 0.5 * np.log(2 * np.pi)
        found.append(Scores(nll=float(nll.mean()), n=len(rows), data=data,
                            coverage90=float(np.mean(np.abs(error) <= model.calibration.reach * std))))
    return found
