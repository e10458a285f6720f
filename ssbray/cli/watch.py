"""`ssbray watch`: new frames of a folder analysed as they land, without Ray."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssbray.cli.labels import PIXELS_NM
from ssbray.cli.output import directory, emit, json_option
from ssbray.errors import InputError

if TYPE_CHECKING:
    from ssbray.domain import Micrograph
    from ssbray.service.asked import Seen


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser("watch", help="analyse new frames of a folder as they land", description=(
        "Each new frame in DIR, once it has stopped growing, becomes a line of results.jsonl, a row of results.csv and "
        "an overlay picture in --out; anomalies and files that cannot be read are a line on standard error. May be "
        "stopped and started at any time."))
    command.add_argument("folder", metavar="DIR")
    command.add_argument("--segmenter", required=True, metavar="M", help="from `ssbray train segmenter`")
    command.add_argument("--surrogate", required=True, metavar="M", help="from `ssbray train surrogate`")
    command.add_argument("--out", required=True, metavar="DIR")
    command.add_argument("--once", action="store_true", help="what is there now, then end; for cron")
    command.add_argument("--every", type=float, default=2.0, metavar="S", help="between two looks (default 2 s); a "
                         "file is read when it has not changed for so long")
    command.add_argument("--pixel-size-nm", type=float, metavar="P", help="where the files do not say")
    command.add_argument("--axis", choices=("x", "y"), default="y", help="direction of the current (default y)")
    command.add_argument("--temperature", type=float, default=25.0, metavar="C", help="in C (default 25)")
    for part, default in (("electrolyte", "Ta-LLZO"), ("cathode", "NMC811"), ("coating", None)):
        command.add_argument(f"--{part}", default=default, metavar="MATERIAL", help=f"default {default or 'none'}")
    command.add_argument("--maps", type=int, metavar="K", help="maps from the posterior, for the interval of the "
                         "conductivity (default: as many as `ssbray serve` draws)")
    command.add_argument("--draws", type=int, default=0, metavar="K",
                         help="such maps, for intervals of the measurements (default 0: none)")
    command.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    json_option(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look, analyse, wait; with --once twice, so that a file that is still being written is left for the next time."""
    folder = Path(args.folder)
    if not folder.is_dir():
        raise InputError("DIR", args.folder, "is no folder: name the one that the microscope writes to")
    if not 0.05 <= args.every <= 3600:
        raise InputError("--every", args.every, "must lie within 0.05..3600 s")
    for name, value in (("--maps", args.maps), ("--draws", args.draws)):
        if value is not None and not 0 <= value <= 1000:
            raise InputError(name, value, "must lie within 0..1000")
    if args.pixel_size_nm is not None and not PIXELS_NM[0] <= args.pixel_size_nm <= PIXELS_NM[1]:
        low, high = PIXELS_NM
        raise InputError("--pixel-size-nm", args.pixel_size_nm, f"must lie within {low:g}..{high:g} nm")
    out = directory(args.out)
    from ssbray.service.asked import Wishes
    from ssbray.service.models import Eye, Oracle
    from ssbray.service.settings import MAPS
    from ssbray.service.watch import Watcher

    wishes = Wishes(axis=args.axis, temperature_C=args.temperature, electrolyte=args.electrolyte, cathode=args.cathode,
                    coating=args.coating)
    eye = Eye(args.segmenter, device=args.device, maps=MAPS if args.maps is None else args.maps, draws=args.draws)
    watcher = Watcher(folder=folder, out=out, eye=eye, oracle=Oracle(args.surrogate, device=args.device),
                      wishes=wishes, draw=_draw, pixel_size_nm=args.pixel_size_nm)
    counts = {"analysed": 0, "anomalies": 0, "failed": 0}
    try:
        for number in range(2) if args.once else _forever():
            if number:
                time.sleep(args.every)
            for record in watcher.passes():
                _tell(record, counts, quiet=args.json)
    except KeyboardInterrupt:
        if not args.json:
            print("ssbray: stopped; the same command goes on", file=sys.stderr)
    finally:
        watcher.journal.close()
    emit({**counts, "out": args.out}, args.json)
    return 0


def _forever() -> Any:
    number = 0
    while True:
        yield number
        number += 1


def _tell(record: dict[str, Any], counts: dict[str, int], quiet: bool) -> None:
    """A line for each frame: on standard output what came of it, on standard error what is wrong with it."""
    if "failed" in record:
        counts["failed"] += 1
        print(f"ssbray: {record['file']}: {record['failed']}", file=sys.stderr, flush=True)
        return
    counts["analysed"] += 1
    sigma, anomaly = record["sigma_eff_S_per_cm"], record["anomaly"]
    if not quiet:
        low, high = sigma["interval90"]
        print(f"{record['file']}  {sigma['mean']:.3g} S/cm [{low:.3g}, {high:.3g}]  {record['seconds']:.1f} s",
              flush=True)
    if anomaly["flag"] or not record["in_domain"]:
        counts["anomalies"] += 1
        why = "; ".join(anomaly["reasons"]) or "outside what the surrogate has learnt from"
        print(f"ssbray: anomaly: {record['file']}: {why}", file=sys.stderr, flush=True)


def _draw(path: Path, micrograph: Micrograph, seen: Seen, record: dict[str, Any]) -> None:
    """The overlay, as `ssbray analyze` draws it."""
    from ssbray.cli.overlay import draw

    assert seen.analysis is not None
    low, high = record["sigma_eff_S_per_cm"]["interval90"]
    numbers = {name: f"{100 * share:.1f} %" for name, share in record["phase_fraction"].items() if share > 0}
    numbers["sigma (S/cm)"] = f"{record['sigma_eff_S_per_cm']['mean']:.3g} [{low:.3g}, {high:.3g}]"
    numbers["anomaly"] = f"p = {record['anomaly']['p_value']:.2g}"
    image = next(iter(micrograph.images.values())) if micrograph.haadf is None else micrograph.haadf
    draw(path, image, seen.analysis.found, numbers, calibrated=True)
