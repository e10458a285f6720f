"""`ssbray train surrogate` and `ssbray evaluate surrogate`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from ssbray.campaign import dataset
from ssbray.campaign.dataset import TRAINING_FILE
from ssbray.cli import segmenter, tune
from ssbray.cli.output import directory, emit, json_option
from ssbray.cli.progress import StepProgress
from ssbray.domain import FloatArray
from ssbray.errors import InputError
from ssbray.files import write_json


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
    tune.options(command)
    json_option(command)
    command.set_defaults(run=run_train)
    evaluate = commands.add_parser("evaluate", help="score a model").add_subparsers(dest="what", required=True,
                                                                                    metavar="WHAT")
    segmenter.add_evaluate(evaluate)
    command = evaluate.add_parser("surrogate", help="on specimens it has not seen, beside simple baselines")
    command.add_argument("--model", required=True, metavar="MODEL")
    command.add_argument("--data", required=True, metavar="STORE")
    command.add_argument("--train-data", metavar="STORE", help="what the baselines learn from (default: the model's)")
    command.add_argument("--baselines", choices=("simple", "all"), default="simple",
                         help="all: also deep ensemble, MC dropout and Laplace, six fits more (default simple)")
    command.add_argument("--split", choices=("random", "between", "beyond"), default="random",
                         help="between, beyond: train anew without the middle, or top, fifth of --by, and score on it")
    command.add_argument("--by", metavar="PARAMETER", help="process parameter of the split, e.g. coating_thickness_nm")
    command.add_argument("--floor", type=int, default=12, metavar="N",
                         help="test specimens solved again at half the pixel, for the error of the labels (default 12)")
    command.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    json_option(command)
    command.set_defaults(run=run_evaluate)


def run_train(args: argparse.Namespace) -> int:
    """Train on a store's designs, less those held out."""
    tune.check(args)
    config, fixed = tune.config_of(args.set)
    directory(args.out)
    rows = dataset.read(Path(args.data))
    out = dataset.held_out([group for _, group, _, _ in rows], args.hold_out, args.seed)
    used = [row for row, held in zip(rows, out, strict=True) if not held]
    from dataclasses import replace

    from ssbray import surrogate
    from ssbray.surrogate.search import Examples

    learnt, groups = _learnt(used, _losses(Path(args.data), used)), [group for _, group, _, _ in used]
    found: dict[str, Any] | None = None
    if args.tune is not None:
        config, found = tune.tuned(args, config, fixed, Examples.of(**learnt, groups=groups, seed=args.seed))
    with StepProgress("training") as progress:
        model = surrogate.train(**learnt, groups=groups, config=config, seed=args.seed, device=args.device,
                                progress=progress.step)
    if found is not None:
        model = replace(model, card={**model.card, "search": found})
    model.save(args.out)
    write_json(Path(args.out) / TRAINING_FILE, {"store": str(Path(args.data).resolve()), "seed": args.seed,
                                                "keys": [key for key, *_ in used]})
    emit({**model.card, "model_version": model.version, "held_out": int(out.sum()), "out": args.out}, args.json,
         _lines(model, found, int(out.sum()), args.out))
    return 0


def _lines(model: Any, found: dict[str, Any] | None, held_out: int, out: str) -> list[tuple[str, Any]]:
    """What a person wants to know of a training."""
    rows = [(name, value) for name, value in model.card.items() if name != "search"]
    if found is not None:
        best, first = found["best"], found["first"]
        began = "failed" if first["nll"] is None else f"{first['nll']:.3f}"
        rows += [("search", f"{found['trials']} of {found['asked']} trials, {found['failed']} failed; validation NLL "
                  f"{began} at first, {best['nll']:.3f} in trial {best['trial']} ({found['validation']} specimens)"),
                 ("chosen", best["settings"])]
    return [*rows, ("model_version", model.version), ("held_out", held_out), ("out", out)]


def run_evaluate(args: argparse.Namespace) -> int:
    """Score on the specimens of a store whose designs the model has not learnt from."""
    from ssbray import surrogate

    model = surrogate.Surrogate.load(args.model)
    path = Path(args.model) / TRAINING_FILE
    if not path.exists():
        raise InputError("--model", args.model, f"lacks {TRAINING_FILE}: train it with `ssbray train surrogate`")
    if args.floor < 0:
        raise InputError("--floor", args.floor, "must be zero or more")
    if (args.split == "random") == (args.by is not None):
        raise InputError("--by", args.by, "goes with --split between and --split beyond, and they need it")
    training = json.loads(path.read_text())
    keys = set(training["keys"])
    source = Path(args.train_data or training["store"])
    if not (source / "ledger.sqlite").exists():
        raise InputError("--train-data", str(source), "the model's training data is not there: say where it is")
    learnt = [row for row in dataset.read(source) if row[0] in keys]
    store = Path(args.data)
    if args.split == "random":
        seen = {group for _, group, _, _ in learnt}
        test = [row for row in dataset.read(store) if row[0] not in keys and row[1] not in seen]
    else:
        store = source
        out = surrogate.split(_values(source, [key for key, *_ in learnt], args.by), args.split)
        test = [row for row, held in zip(learnt, out, strict=True) if held]
        learnt = [row for row, held in zip(learnt, out, strict=True) if not held]
    if len(test) < 2:
        raise InputError("--data", args.data, "holds fewer than two specimens of designs that the model has not learnt "
                         "from: build another, or train with --hold-out")
    known = _learnt(learnt, _losses(source, learnt))
    if args.split != "random":
        with StepProgress("training") as progress:
            model = surrogate.train(**known, groups=[group for _, group, _, _ in learnt], config=model.config,
                                    seed=training["seed"], device=args.device, progress=progress.step)
    with StepProgress("baselines") as progress:
        scores = surrogate.evaluate(
            model, [graph for _, _, graph, _ in test], np.array([sigma for *_, sigma in test]),
            losses=_losses(store, test), **{f"train_{name}": value for name, value in known.items()},
            extent=args.baselines, seed=training["seed"], device=args.device, progress=progress.step)
    scores["floor"] = dataset.floor(store, {key for key, *_ in test}, args.floor)
    scores["floor_percent"] = scores["floor"] and scores["floor"]["percent"]
    scores["split"] = {"kind": args.split, "by": args.by}
    if args.json:
        emit(scores, True)
    else:
        _print(scores)
    return 0


def _learnt(rows: list[dataset.Row], losses: list[tuple[FloatArray, FloatArray]] | None) -> dict[str, Any]:
    """What a model learns from, by the names of the arguments."""
    return {"graphs": [graph for _, _, graph, _ in rows], "sigma": np.array([sigma for *_, sigma in rows]),
            "losses": losses}


def _losses(store: Path, rows: list[dataset.Row]) -> list[tuple[FloatArray, FloatArray]] | None:
    """Shares of the dissipation of each specimen; None if the store lacks some."""
    known = dataset.losses(store)
    return [known[key] for key, *_ in rows] if all(key in known for key, *_ in rows) else None


def _values(store: Path, keys: list[str], name: str) -> list[float]:
    """A process parameter of each specimen."""
    parameters = dataset.parameters(store)
    try:
        return [float(parameters[key][name]) for key in keys]
    except (KeyError, TypeError, ValueError):
        numeric = sorted(n for n, value in parameters[keys[0]].items() if isinstance(value, int | float))
        raise InputError("--by", name, f"is no number in the data; there are {', '.join(numeric)}") from None


def _print(scores: dict[str, Any]) -> None:
    """The table of scores, ours first, then the facts behind them."""
    own = {name: scores[name] for name in ("mape_percent", "nll", "crps")}
    print(f"{'model':<28} {'MAPE %':>8} {'NLL':>8} {'CRPS':>8}   of ln sigma, n = {scores['n']}; "
          "[95 % of NLL, CRPS less ours]")
    for name, row in {"Bayesian graph network": own, **scores["baselines"]}.items():
        limits = [limit for key in ("nll", "crps") for limit in scores["ahead"].get(name, {}).get(key, ())]
        gap = "   [{:+.3f}, {:+.3f}]  [{:+.5f}, {:+.5f}]".format(*limits) if limits else ""
        print(f"{name:<28} {row['mape_percent']:8.2f} {row['nll']:8.3f} {row['crps']:8.5f}{gap}")
    floor = scores["floor"]
    label = "not measured (--floor N)" if floor is None else (
        f"{floor['percent']:.2f} % [{floor['interval95'][0]:.2f}, {floor['interval95'][1]:.2f}] "
        f"between pixel and half pixel, n = {floor['n']}")
    emit(scores, False, [("error of the labels", label), *((name.replace("_", " "), scores[name]) for name in (
        "r2", "rmse_log10", "coverage", "coverage90", "ece", "sharpness", "spearman", "ause", "loss_kl")),
        ("in domain", scores["in_domain_share"]), ("not conducting", scores["non_conducting"]),
        ("of these, misjudged", scores["misjudged"])])
