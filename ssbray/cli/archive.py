"""`ssbray archive`: what came from what, whether it is intact, and a table of it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssbray import units
from ssbray.cli.output import emit, json_option
from ssbray.errors import InputError

if TYPE_CHECKING:
    from ssbray.archive import Entry

INDENT = "  "


def add(commands: Any) -> None:
    """Declare the command."""
    group = commands.add_parser("archive", help="samples, micrographs, segmentations and solutions, linked by content")
    actions = group.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="the tree from the samples to the solutions")
    listing.add_argument("--kind", metavar="K", help="only entries of this kind, without the tree")
    showing = actions.add_parser("show", help="one entry: values, arrays, and what it came from")
    verifying = actions.add_parser("verify", help="hash every entry again; exit code 1 when something is wrong")
    verifying.add_argument("--repair", action="store_true", help="clear up after interrupted writes, set damage aside")
    exporting = actions.add_parser("export", help="a table with one row per entry")
    for command, run in ((listing, run_list), (showing, run_show), (verifying, run_verify), (exporting, run_export)):
        command.add_argument("directory", metavar="DIR")
        json_option(command)
        command.set_defaults(run=run)
    showing.add_argument("id", metavar="ID", help="id, or its beginning")
    exporting.add_argument("out", metavar="OUT.parquet|csv")


def run_list(args: argparse.Namespace) -> int:
    """Print the tree, or the entries of a kind."""
    from ssbray.archive import Archive

    with Archive(args.directory, write=False) as archive:
        entries = archive.find(args.kind)
    if args.json:
        emit({"directory": args.directory, "entries": [_record(entry) for entry in entries]}, True)
        return 0
    for depth, entry, more in _tree(entries) if args.kind is None else ((0, entry, 0) for entry in entries):
        also = f"  (and from {more} more)" if more else ""
        print(f"{INDENT * depth}{entry.kind} {entry.short}  {_gist(entry)}{also}".rstrip())
    return 0


def run_show(args: argparse.Namespace) -> int:
    """Print one entry."""
    from ssbray.archive import Archive

    with Archive(args.directory, write=False) as archive:
        entry = archive.get(args.id)
        lineage = archive.lineage(entry)[:-1]
    content = {**_record(entry), "lineage": [{"id": each.id, "kind": each.kind, "is": _gist(each)} for each in lineage]}
    lines: list[tuple[str, Any]] = [("id", entry.id), ("kind", entry.kind), ("made", content["made"]),
                                    ("file", str(entry.path)), ("bytes", entry.size)]
    if entry.code is not None:
        lines.append(("code", entry.code))
    lines += [(f"input {name}", value) for name, value in (entry.inputs or {}).items()]
    lines += list(entry.values.items())
    lines += [(f"array {name}", f"{shape} {dtype}") for name, (shape, dtype) in _shapes(entry).items()]
    lines += [(f"from {each.kind}", f"{each.short}  {_gist(each)}") for each in lineage]
    emit(content, args.json, lines)
    return 0


def run_verify(args: argparse.Namespace) -> int:
    """Check everything; one line per problem."""
    from ssbray.archive import Archive

    if not any((Path(args.directory) / name).exists() for name in ("index.sqlite", "entries")):
        raise InputError("DIR", args.directory, "there is no archive here")
    with Archive(args.directory, write=args.repair) as archive:
        report = archive.verify(repair=args.repair)
    content = {"ok": report.ok, "entries": report.entries, "bytes": report.size,
               "problems": [str(problem) for problem in report.problems], "drafts": list(report.drafts),
               "unlisted": list(report.unlisted), "repaired": list(report.repaired)}
    if args.json:
        emit(content, True)
    else:
        for problem in report.problems:
            print(problem)
    if not args.json or not report.ok:
        left = f", {len(report.drafts) + len(report.unlisted)} left by interrupted writes (--repair clears them up)"
        print(f"{report.entries} entries, {len(report.problems)} problems, {len(report.repaired)} repaired"
              f"{left if report.drafts or report.unlisted else ''}", file=sys.stderr)
    return 0 if report.ok else 1


def run_export(args: argparse.Namespace) -> int:
    """Write the table."""
    from ssbray.archive import Archive

    with Archive(args.directory, write=False) as archive:
        rows = archive.export(Path(args.out))
    emit({"rows": rows, "out": args.out}, args.json)
    return 0


def _tree(entries: Sequence[Entry]) -> Iterator[tuple[int, Entry, int]]:
    """(depth, entry, parents beside the one it stands under); an entry stands under its last parent."""
    order = {entry.id: number for number, entry in enumerate(entries)}
    below: dict[str | None, list[Entry]] = {}
    for entry in entries:
        under = max(entry.parents, key=lambda parent: order.get(parent, -1), default=None)
        below.setdefault(under if under in order else None, []).append(entry)
    waiting = [(0, entry) for entry in reversed(below.get(None, []))]
    while waiting:
        depth, entry = waiting.pop()
        yield depth, entry, max(0, len(entry.parents) - 1)
        waiting += [(depth + 1, child) for child in reversed(below.get(entry.id, []))]


def _gist(entry: Entry) -> str:
    """The few numbers by which a person knows an entry, in the units of the field."""
    values = entry.values
    if entry.kind in ("sample", "location"):
        return str(values.get("name", ""))
    size = " x ".join(map(str, values.get("shape", [])))
    pixel = f"{values['pixel_size_nm']:.4g} nm/px" if "pixel_size_nm" in values else ""
    parts: list[str] = []
    if entry.kind == "micrograph":
        parts = [size, pixel, " ".join(values.get("images", [])), " ".join(values.get("eds", []))]
    elif entry.kind == "segmentation":
        parts = [size, pixel, *(f"{phase} {share:.1%}" for phase, share in values.get("fraction", {}).items())]
    elif entry.kind == "graph":
        parts = [f"{values['nodes']} nodes, {values['edges']} edges" if "nodes" in values else ""]
    elif "sigma_eff_S_per_m" in values:
        parts = [f"axis {values['axis']}" if "axis" in values else "",
                 f"sigma_eff {units.S_per_cm(values['sigma_eff_S_per_m']):.4g} S/cm"]
        if "asr_ohm_m2" in values:
            parts.append(f"ASR {units.ohm_cm2(values['asr_ohm_m2']):.4g} ohm cm2")
    return ", ".join(part for part in parts if part)


def _shapes(entry: Entry) -> dict[str, tuple[str, str]]:
    return {name: (" x ".join(map(str, what["shape"])) or "scalar", str(what["dtype"]).lstrip("<|"))
            for name, what in entry.arrays.described.items()}


def _record(entry: Entry) -> dict[str, Any]:
    made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry.made_at))
    return {"id": entry.id, "kind": entry.kind, "made": made, "parents": list(entry.parents), "bytes": entry.size,
            "code": entry.code, "inputs": entry.inputs, "values": entry.values,
            "arrays": {name: dict(what) for name, what in entry.arrays.described.items()}}
