"""`ssbray train surrogate` and `ssbray evaluate surrogate`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from ssbray.campaign import dataset
from ssbray.cli import segmenter
from ssbray.cli.output import emit, json_option
from ssbray.cli.progress import StepProgress
from ssbray.errors import InputError
from ssbray.files import write_json

TRAINING_FILE = "training.json"


def add(commands: Any) -> None:
    """Declare the commands."""
    train = commands.add_parser("train", help="train a model").add_subparsers(dest="what", required=True,
                                                                              metavar="WHAT")
    segmenter.add_train(train)
    command = train.add_parser("surrogate", help="the Bayesian graph network, from a data set")
    command.add_argument("--data", required=True, metavar="STORE")
    command.add_argument("--out", required=True, metavar="MODEL")
    command.add_argument("--hold-out", type=float, default=0.2, metavar="SHARE",
                         help="share of the designs kept for `evaluate` on the same store (default 0.2)")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    json_option(command)
    command.set_defaults(run=run_train)
    evaluate = commands.add_parser("evaluate", help="score a model").add_subparsers(dest="what", required=True,
                                                                                    metavar="WHAT")
    segmenter.add_evaluate(evaluate)
    command = evaluate.add_parser("surrogate", help="on specimens it has not seen, beside simple baselines")
    command.add_argument("--model", required=True, metavar="MODEL")
    command.add_argument("--data", required=True, metavar="STORE")
    command.add_argument("--train-data", metavar="STORE", help="what the baselines learn from (default: the model's)")
    command.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    json_option(command)
    command.set_defaults(run=run_evaluate)


def run_train(args: argparse.Namespace) -> int:
    """Train on a store's designs, less those held out."""
    rows = dataset.read(Path(args.data))
    out = dataset.held_out([group for _, group, _, _ in rows], args.hold_out, args.seed)
    used = [row for row, held in zip(rows, out, strict=True) if not held]
    from ssbray import surrogate

    with StepProgress("training") as progress:
        model = surrogate.train([graph for _, _, graph, _ in used], np.array([sigma for *_, sigma in used]),
                                groups=[group for _, group, _, _ in used], seed=args.seed, device=args.device,
                                progress=progress.step)
    model.save(args.out)
    write_json(Path(args.out) / TRAINING_FILE, {"store": str(Path(args.data).resolve()), "seed": args.seed,
                                                "keys": [key for key, *_ in used]})
    emit({**model.card, "model_version": model.version, "held_out": int(out.sum()), "out": args.out}, args.json)
    return 0


def run_evaluate(args: argparse.Namespace) -> int:
    """Score on the specimens of a store whose designs the model has not learnt from."""
    from ssbray import surrogate

    model = surrogate.Surrogate.load(args.model)
    path = Path(args.model) / TRAINING_FILE
    if not path.exists():
        raise InputError("--model", args.model, f"lacks {TRAINING_FILE}: train it with `ssbray train surrogate`")
    training = json.loads(path.read_text())
    keys = set(training["keys"])
    source = Path(args.train_data or training["store"])
    if not (source / "ledger.sqlite").exists():
        raise InputError("--train-data", str(source), "the model's training data is not there: say where it is")
    learnt = [row for row in dataset.read(source) if row[0] in keys]
    seen = {group for _, group, _, _ in learnt}
    test = [row for row in dataset.read(Path(args.data)) if row[0] not in keys and row[1] not in seen]
    if len(test) < 2:
        raise InputError("--data", args.data, "holds fewer than two specimens of designs that the model has not learnt "
                         "from: build another, or train with --hold-out")
    scores = surrogate.evaluate(model, [graph for _, _, graph, _ in test], np.array([sigma for *_, sigma in test]),
                                train_graphs=[graph for _, _, graph, _ in learnt],
                                train_sigma=np.array([sigma for *_, sigma in learnt]), device=args.device)
    if args.json:
        emit(scores, True)
        return 0
    own = {name: scores[name] for name in ("mape_percent", "nll", "crps")}
    print(f"{'model':<28} {'MAPE %':>8} {'NLL':>8} {'CRPS':>8}    (of ln sigma, n = {scores['n']})")
    for name, row in {"Bayesian graph network": own, **scores["baselines"]}.items():
        print(f"{name:<28} {row['mape_percent']:8.2f} {row['nll']:8.3f} {row['crps']:8.4f}")
    emit(scores, False, [("r2", scores["r2"]), ("rmse_log10", scores["rmse_log10"]), ("coverage", scores["coverage"]),
                         ("in domain", scores["in_domain_share"]), ("not conducting", scores["non_conducting"])])
    return 0
