"""`ssbray campaign status | compare | export | verify | plan`: looking at campaigns. None of them runs one."""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from typing import Any

from ssbray import campaign
from ssbray.campaign import progress, ranking
from ssbray.campaign.ledger import Ledger
from ssbray.campaign.spec import NAME
from ssbray.cli.output import check_workers, directory, emit, json_option
from ssbray.errors import InputError


def add(actions: Any) -> None:
    """Declare the commands."""
    status = actions.add_parser("status", help="how far a campaign is, what it has cost, when it may end")
    status.set_defaults(run=run_status)
    compare = actions.add_parser("compare", help="campaigns side by side")
    compare.add_argument("names", metavar="NAME", nargs="+")
    compare.add_argument("--hyperscore", action="store_true", help="rank them, and the designs that each confirmed, by "
                         "HyperScore as well, and show its parts")
    compare.set_defaults(run=run_compare)
    export = actions.add_parser("export", help="solves and steps as tables")
    export.add_argument("--to", metavar="DIR", help="where (default: DIR/NAME/export)")
    export.add_argument("--format", choices=("parquet", "csv"), default="parquet")
    export.set_defaults(run=run_export)
    verify = actions.add_parser("verify", help="check every stored solve against its digests")
    verify.add_argument("--repair", action="store_true", help="drop damaged solves, so that `resume` repeats them")
    verify.set_defaults(run=run_verify)
    plan = actions.add_parser("plan", help="solves, core hours and price of a campaign, before it is run")
    plan.add_argument("spec", metavar="SPEC.yaml")
    plan.add_argument("--seconds-per-solve", type=float, metavar="S", help="instead of measuring the reference here")
    plan.add_argument("--workers", type=int, metavar="W", help="solver actors (default: the spec's, or the CPUs here)")
    plan.set_defaults(run=run_plan)
    for parser in (status, export, verify):
        parser.add_argument("name", metavar="NAME")
    for parser in (status, compare, export, verify):
        parser.add_argument("--dir", default="campaigns", metavar="DIR", help="home of campaigns (default campaigns)")
    for parser in (status, compare, export, verify, plan):
        json_option(parser)


def find(name: str, home: str) -> Path:
    """Directory of a campaign that is there."""
    place = Path(home) / name
    if not re.fullmatch(NAME, name) or not (place / "ledger.sqlite").exists():
        known = sorted(path.parent.name for path in Path(home).glob("*/ledger.sqlite"))
        raise InputError("NAME", name, f"no such campaign in {home} (it has {', '.join(known) or 'none'})")
    return place


def gain(summary: dict[str, Any]) -> str:
    """The gain in words."""
    if summary["improvement_percent"] is None:
        return "no figure: the reference or the best design does not conduct on every specimen"
    low, high = summary["improvement_interval90_percent"]
    return f"{summary['improvement_percent']:+.1f} % conductivity (90 % interval {low:+.1f} to {high:+.1f} %)"


def yardsticks(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """Beside a gain: what chance alone does, and the most that these bulk phases allow; a summary may be older."""
    noise, bound, best = summary.get("noise"), summary.get("bound"), summary["best"]
    lines = []
    if noise is not None:
        low, high = noise["band90_percent"]
        lines.append(("replicate noise", f"{low:+.1f} to {high:+.1f} % for equal designs on {noise['replicates']} "
                      "specimens each (9 in 10)"))
    if bound is not None:
        share = (best["sigma_eff_S_per_cm"] or 0.0) / bound["sigma_eff_S_per_cm"]
        lines.append(("physical bound", f"{bound['asr_ohm_cm2']:.6g} ohm cm2 without pores, layers and interfaces "
                      f"({share:.0%} of that conductivity reached)"))
    return lines


def run_status(args: argparse.Namespace) -> int:
    """Read a campaign's ledger; works beside a running campaign."""
    content = progress.read(find(args.name, args.dir))
    emit(content, args.json, _status_lines(content))
    return 0


def _status_lines(content: dict[str, Any]) -> list[tuple[str, Any]]:
    spent, left = content["cost"], content["eta_s"]
    acceptance = [f"{chain['acceptance']:.2f}" for chain in content["chains"] if chain["acceptance"] is not None]
    priced = "" if spent["price"] is None else f", price {spent['price']:.2f}"
    status = content["status"] + (" (pausing)" if content["pause_requested"] else "")
    return [("name", content["name"]), ("status", status + (f": {content['note']}" if content["note"] else "")),
            ("phase", content["phase"]),
            ("solves", f"{content['fe_solves']} of about {content['fe_solves_planned']} ({content['progress']:.0%})"),
            ("time left", None if left is None else f"about {left:.0f} s"),
            ("steps", f"{content['steps']}, {content['accepted']} accepted, {content['failed']} failed, "
             f"{content['infeasible']} against the constraints"),
            ("acceptance by chain", ", ".join(acceptance) or None),
            ("failed solves", ", ".join(f"{count} x {what}" for what, count in content["failures"].items()) or "none"),
            ("cost", f"{spent['core_hours']:.4g} core hours{priced}, {len(content['sessions'])} sessions"),
            ("gain (%)", content["improvement_percent"])]


def run_compare(args: argparse.Namespace) -> int:
    """One row per campaign; those that are not completed have no gain yet."""
    rows = [_row(find(name, args.dir), args.hyperscore) for name in dict.fromkeys(args.names)]
    if args.json:
        emit({"campaigns": rows}, True)
        return 0
    wide = max(24, *(len(row["name"]) for row in rows))
    print(f"{'campaign':<{wide}} {'status':<12} {'objective':<20} {'best':>12} {'reference':>12} {'gain %':>9} "
          f"{'90 % interval':>20} {'solves':>7} {'wall s':>9} {'core h':>9}"
          + (f" {'HyperScore':>11}" if args.hyperscore else ""))
    for row in rows:
        low, high = row["improvement_interval90_percent"] or (None, None)
        interval = f"{_number(low)} to {_number(high)}" if low is not None else "-"
        print(f"{row['name']:<{wide}} {row['status']:<12} {row['objective']:<20} {_number(row['best']):>12} "
              f"{_number(row['reference']):>12} {_number(row['improvement_percent']):>9} {interval:>20} "
              f"{row['fe_solves']:>7} {_number(row['wall_s']):>9} {_number(row['core_hours']):>9}"
              + (f" {_score(row['hyperscore']['score']):>11}" if args.hyperscore else ""))
    if args.hyperscore:
        _rank([row["hyperscore"] for row in rows])
    return 0


def _rank(scores: list[dict[str, Any]]) -> None:
    """The parts behind the scores, highest V first: of the campaigns, then of the designs of each."""
    parts = list(scores[0]["parts"])
    print("\nHyperScore: a ranking, by a formula that is recalled and was never checked against a print of it; V is "
          "the geometric\nmean of the parts, each in (0, 1]. What counts are the columns above.")
    print(f"{'':<34} {'HyperScore':>11} {'V':>7} " + " ".join(f"{name:>11}" for name in parts))
    ranked = sorted(scores, key=lambda score: -(score["value"] or 0.0))
    for depth, score in [pair for each in ranked for pair in ((0, each), *((1, design) for design in each["designs"]))]:
        lacks = f"  no score without {', '.join(score['missing'])}" if score["missing"] else ""
        print(f"{'  ' * depth + score['name']:<34} {_score(score['score']):>11} {_number(score['value']):>7} "
              + " ".join(f"{_number(score['parts'][name]):>11}" for name in parts) + lacks)


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _row(place: Path, scored: bool) -> dict[str, Any]:
    state = progress.read(place)
    with Ledger(place, write=False) as ledger:
        spec = progress.spec_of(ledger, place.name)
    summary = progress.summary_of(place) if state["status"] == "completed" else None
    best, reference = (summary["best"], summary["reference"]) if summary else (None, None)
    noise, bound = ((summary or {}).get(name) for name in ("noise", "bound"))
    return {"name": place.name, "status": state["status"], "seed": spec.seed, "objective": spec.objective.name,
            "best": best["objective"] if best else None, "best_parameters": best["parameters"] if best else None,
            "best_interval90_S_per_cm": best["interval90"] if best else None,
            "reference": reference["objective"] if reference else None,
            "improvement_percent": summary["improvement_percent"] if summary else None,
            "improvement_interval90_percent": summary["improvement_interval90_percent"] if summary else None,
            "noise_band90_percent": noise["band90_percent"] if noise else None,
            "bound_asr_ohm_cm2": bound["asr_ohm_cm2"] if bound else None,
            "evaluations": spec.evaluations, "fe_solves": state["fe_solves"],
            "solves_taken_over": state["cost"]["solves_taken_over"], "wall_s": state["cost"]["wall_s"],
            "core_hours": state["cost"]["core_hours"], "price": state["cost"]["price"],
            "trajectory_sha256": summary["trajectory_sha256"] if summary else None,
            "hyperscore": _hyperscore(spec, summary) if scored else None}


def _hyperscore(spec: campaign.Spec, summary: dict[str, Any] | None) -> dict[str, Any]:
    designs = [] if summary is None else ranking.designs(spec, summary)
    return {**ranking.campaign(spec, summary).described(), "designs": [design.described() for design in designs]}


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def run_export(args: argparse.Namespace) -> int:
    """Write tables."""
    from ssbray.campaign import tables

    place = find(args.name, args.dir)
    to = directory(args.to, "--to") if args.to is not None else place / "export"
    written = tables.export(place, to, args.format)
    emit({"name": args.name, "files": {name: str(path) for name, (path, _) in written.items()},
          "rows": {name: count for name, (_, count) in written.items()}}, args.json,
         [(name, f"{count} rows in {path}") for name, (path, count) in written.items()])
    return 0


def run_verify(args: argparse.Namespace) -> int:
    """0 when every result can be relied on, or has been repaired; else 1."""
    from ssbray.campaign.verify import verify

    verdict = verify(find(args.name, args.dir), repair=args.repair)
    repaired = args.repair and not verdict.database
    content = {"name": args.name, "ok": verdict.ok, "repaired": len(verdict.damaged) if repaired else 0,
               "rows": verdict.rows, "graphs": verdict.graphs, "database": list(verdict.database),
               "damaged": [{"key": each.key, "what": each.what} for each in verdict.damaged],
               "orphans": list(verdict.orphans), "unchecked": verdict.unchecked}
    fate = "dropped; `resume` repeats it" if repaired else "would be repeated: see --repair"
    emit(content, args.json, [
        ("solves", f"{verdict.rows}, of which {len(verdict.damaged)} damaged, {verdict.unchecked} without a digest"),
        *[("database", line) for line in verdict.database],
        *[(each.key[:16], f"{each.what} ({fate})") for each in verdict.damaged],
        *[("orphan", name) for name in verdict.orphans], ("verdict", "sound" if verdict.ok else "damaged")])
    if verdict.database:
        print("ssbray: the database itself is damaged: restore it from a copy, or remove the directory and run again",
              file=sys.stderr)
    return 0 if verdict.ok or repaired else 1


def run_plan(args: argparse.Namespace) -> int:
    """Count, and measure if need be."""
    from ssbray.campaign import estimate

    spec = campaign.load(args.spec)
    spec.space  # noqa: B018
    check_workers(args.workers)
    seconds = args.seconds_per_solve
    if seconds is not None and not 0 < seconds < 1e9:
        raise InputError("--seconds-per-solve", seconds, "must be more than 0")
    solvers = args.workers or spec.cluster.solvers or len(os.sched_getaffinity(0))
    content = estimate.estimate(spec, estimate.measured_seconds(spec) if seconds is None else seconds, solvers)
    content["measured"] = seconds is None
    emit(content, args.json, [
        ("designs", content["evaluations"]), ("solves, at most", content["fe_solves"]),
        ("seconds per solve", f"{content['seconds_per_solve']:.3g} ({'measured' if seconds is None else 'given'})"),
        ("core hours", content["core_hours"]), (f"hours on {solvers} solvers", content["wall_hours"]),
        ("price", content["price"])])
    return 0
