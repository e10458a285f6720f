"""`ssbray train segmenter` and `ssbray evaluate segmenter`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssbray.cli.output import directory, emit, json_option
from ssbray.cli.progress import ShareProgress, StepProgress, TimeProgress
from ssbray.errors import InputError

if TYPE_CHECKING:
    from ssbray.segmentation.each import Each
    from ssbray.segmentation.fit import Training
    from ssbray.segmentation.train import Inputs


def add_train(group: Any) -> None:
    """Declare `train segmenter`."""
    command = group.add_parser("segmenter", help="a residual U-Net, from labelled micrographs", description=(
        "DIR has images/, masks/ (same stem, whole numbers) and classes.yaml (number: name); grains/, dislocations/ "
        "and groups.yaml (stem: specimen) are optional. Specimens, never single images, are kept apart."))
    command.add_argument("--data", required=True, metavar="DIR")
    command.add_argument("--out", required=True, metavar="MODEL")
    command.add_argument("--minutes", type=float, default=12.0, metavar="M", help="for the whole training (default 12)")
    command.add_argument("--steps", type=int, metavar="N", help="for each net, instead of minutes: repeatable")
    command.add_argument("--members", type=int, default=2, metavar="K", help="nets of the ensemble (default 2)")
    command.add_argument("--hold-out", type=float, default=0.0, metavar="SHARE|N",
                         help="share or number of the specimens kept for `evaluate` on the same folder (default 0)")
    command.add_argument("--calibrate", type=float, default=0.1, metavar="SHARE|N",
                         help="share or number of the specimens on which probabilities and intervals are calibrated "
                         "(default 0.1; a hundred specimens make intervals good to some 3 %%, twenty to 6 %%)")
    command.add_argument("--orientations", type=int, metavar="N", help=(
        "1, 2 or 4 sides from which each net looks at an image in use (default 4, with --upright 2)"))
    command.add_argument("--upright", action="store_true", help="images always have the same way up")
    command.add_argument("--vary-materials", type=float, default=0.0, metavar="SHARE",
                         help="chance that a region is given another brightness and texture: for few images of "
                         "materials whose grey says little (default 0; 0.1 is a good value)")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    json_option(command)
    command.set_defaults(run=run_train)


def add_evaluate(group: Any) -> None:
    """Declare `evaluate segmenter`."""
    command = group.add_parser("segmenter", help="on labelled micrographs of specimens it has not seen")
    command.add_argument("--model", required=True, metavar="MODEL")
    command.add_argument("--data", required=True, metavar="DIR")
    command.add_argument("--only", action="append", metavar="CHANNEL",
                         help="give the model these inputs only, e.g. --only haadf; an element, or eds for all of them")
    command.add_argument("--tolerance", type=float, default=2.0, metavar="PX", help="of boundaries (default 2 pixels)")
    command.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    json_option(command)
    command.set_defaults(run=run_evaluate)


def run_train(args: argparse.Namespace) -> int:
    """Train an ensemble and calibrate it."""
    for name, value, least in (("--minutes", args.minutes, 0.01), ("--members", args.members, 1),
                               ("--steps", args.steps, 2)):
        if value is not None and not value >= least:
            raise InputError(name, value, f"must be at least {least}")
    if not 0 <= args.vary_materials <= 1:
        raise InputError("--vary-materials", args.vary_materials, "must lie between 0 and 1")
    if args.seed < 0:
        raise InputError("--seed", args.seed, "must be zero or more")
    if args.orientations not in (None, 1, 2, *(() if args.upright else (4,))):
        raise InputError("--orientations", args.orientations, "must be 1 or 2 with --upright, else 1, 2 or 4")
    directory(args.out)
    from ssbray.analysis.calibrate import calibrated
    from ssbray.segmentation import train
    from ssbray.segmentation.augment import Augmentation
    from ssbray.segmentation.fit import Training
    from ssbray.segmentation.folder import open_folder
    from ssbray.segmentation.model import check_device
    from ssbray.segmentation.trust import trusted

    check_device(args.device)
    place = str(Path(args.data).resolve())  # workers have another working directory
    folder = open_folder(place)
    parts = train.split(folder, hold_out=args.hold_out, calibrate=args.calibrate, seed=args.seed)
    found = train.inputs(folder, parts.train)
    training = Training.suited(
        found.pixel_size_nm, minutes=args.minutes, steps=args.steps, orientations=args.orientations,
        augmentation=Augmentation.suited(
            found.pixel_size_nm, any_way_up=not args.upright, regions=args.vary_materials))
    with _workers(args) as (members, each):
        trained = members(place, parts.train, found, training)
        model = train.assembled(folder, parts, found, training, trained, args.seed, args.device)
        model.save(args.out)  # what was trained is kept, whatever becomes of the rest
        with StepProgress("calibrating the probabilities") as progress:
            model = trusted(model, folder, parts.train, parts.calibrate, seed=args.seed, device=args.device,
                            progress=progress.step, each=each)
        model.save(args.out)
        with StepProgress("calibrating the intervals") as progress:
            model = calibrated(model, folder, parts.calibrate, seed=args.seed, device=args.device,
                               progress=progress.step, each=each)
    model.save(args.out)
    content = {"model_version": model.version, "classes": list(model.classes), "images": list(model.images),
               "orientations": model.orientations,
               "elements": list(model.elements), "pixel_size_nm": model.pixel_size_nm,
               "scalings": dict(model.scalings), "calibrated": model.calibrated,
               "specimens": {part: len({folder.groups[stem] for stem in getattr(parts, part)})
                             for part in ("train", "calibrate", "test")},
               "members": model.card["members"], "out": args.out, "intervals": model.card.get("intervals"),
               "calibration_scores": model.card["calibration_scores"]}
    emit(content, args.json)
    return 0


@contextmanager
def _workers(args: argparse.Namespace) -> Iterator[tuple[Callable[..., list[Any]], Each]]:
    """How nets are trained, and how images are shared out: here, one after the other, or on Ray."""
    from ssbray.segmentation import train
    from ssbray.segmentation.each import one_by_one

    if args.members == 1:
        def alone(place: str, stems: Sequence[str], found: Inputs, training: Training) -> list[Any]:
            with ShareProgress("training") as progress:
                return [train.member(place, stems, found, args.seed, 0, training, args.device, progress.step)]

        yield alone, one_by_one
        return
    from ssbray.cluster.session import connect_quietly

    with connect_quietly():
        from ssbray.cluster.each import each
        from ssbray.cluster.members import train_members

        def side_by_side(place: str, stems: Sequence[str], found: Inputs, training: Training) -> list[Any]:
            with TimeProgress("training") as clock:
                return train_members(args.members, place, stems, found, args.seed, training, args.device,
                                     None if args.steps else clock.step)

        yield side_by_side, one_by_one if args.device.startswith("cuda") else each


def run_evaluate(args: argparse.Namespace) -> int:
    """Score on the images of a folder whose specimens the model has not learnt from."""
    if not args.tolerance > 0:
        raise InputError("--tolerance", args.tolerance, "must be a positive number of pixels")
    from ssbray.segmentation import Segmenter
    from ssbray.segmentation.evaluation import evaluate
    from ssbray.segmentation.folder import open_folder

    model = Segmenter.load(args.model, args.device)
    with StepProgress("evaluating") as progress:
        content = evaluate(model, open_folder(args.data), only=args.only, tolerance=args.tolerance, device=args.device,
                           progress=progress.step)
    if args.json:
        emit(content, True)
        return 0
    for line in content["warnings"]:
        print(f"ssbray: warning: {line}", file=sys.stderr)
    print(f"{'class':<24} {'IoU':>7} {'boundary F1':>12}")
    for name, iou in content["iou"].items():
        print(f"{name:<24} {_number(iou):>7} {_number(content['boundary_f1'].get(name)):>12}")
    low, high = content["mean_iou_interval90"]
    emit(content, False, [("mean IoU", content["mean_iou"]), ("90 % interval over images", f"{low:.4g} to {high:.4g}"),
                          ("ECE", content["ece"]), ("images", content["images"]), ("left out", content["skipped"])])
    return 0


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
