"""How far a campaign is, read from its ledger, beside a running driver or without one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ssbray.campaign.ledger import Ledger
from ssbray.campaign.lock import locked
from ssbray.campaign.loop import solves_planned
from ssbray.campaign.pause import PauseRequest
from ssbray.campaign.spec import Spec, parse
from ssbray.errors import InputError


def spec_of(ledger: Ledger, name: str) -> Spec:
    """The spec that a campaign was begun with, under the name that its directory has now."""
    written = ledger.meta("spec")
    if written is None or ledger.meta("spec_sha256") is None:
        raise InputError("NAME", name, "has only just begun, or is no campaign")
    return parse({**json.loads(written), "name": name})


def summary_of(directory: Path) -> dict[str, Any] | None:
    """Summary of a campaign that came to its end."""
    path = directory / "summary.json"
    try:
        return dict(json.loads(path.read_text())) if path.exists() else None
    except ValueError:
        raise InputError("summary", str(path), "is damaged: `ssbray campaign resume` writes it again") from None


def state_of(directory: Path, sessions: Sequence[dict[str, Any]]) -> str:
    """running, paused, interrupted, failed, or completed."""
    last = sessions[-1]["status"] if sessions else None
    if last == "running" or (last is None and locked(directory)):  # a driver may be about to begin
        return "running" if locked(directory) else "interrupted"
    if last in ("completed", None):  # who wrote the ledger may have kept no sessions
        return "completed" if (directory / "summary.json").exists() else "interrupted"
    return str(last)


def read(directory: Path) -> dict[str, Any]:
    """State, progress, estimated time, failures, acceptance of each chain, and cost."""
    with Ledger(directory, write=False) as ledger:
        spec = spec_of(ledger, directory.name)
        rows, sessions = ledger.rows(), ledger.sessions()
        steps = ledger.events("step")
        phase = (ledger.events("phase") or [{"phase": None}])[-1]["phase"]
        models = len(ledger.events("model"))
        suspended = bool(ledger.events("screening suspended"))
    now = rows[-1]["physics"] if rows else None  # of the newest solve; those of other versions are not used
    solved = [row for row in rows if row["failure"] is None and row["physics"] == now]
    state, planned = state_of(directory, sessions), solves_planned(spec)
    summary = summary_of(directory) if state == "completed" else None
    chains = {chain: [step for step in steps if step["chain"] == chain] for chain in range(spec.annealing.chains)}
    values = [step["value"] for step in steps if step["value"] is not None]
    return {
        "name": directory.name,
        "status": state,
        "note": sessions[-1]["note"] if sessions and state == sessions[-1]["status"] else None,
        "pause_requested": state == "running" and PauseRequest(directory)(),
        "phase": phase if state != "completed" else None,
        "evaluations_planned": spec.evaluations,
        "fe_solves": len(solved),
        "fe_solves_planned": planned,
        "fe_solves_outdated": sum(row["physics"] != now for row in rows),
        "progress": 1.0 if summary else min(1.0, len(solved) / planned),
        "eta_s": None if summary else _seconds_left(sessions, solved, planned, state),
        "steps": len(steps),
        "accepted": sum(step["accepted"] for step in steps),
        "infeasible": sum(step.get("violation", 0) > 0 for step in steps),
        "failed": sum(step["value"] is None and not step.get("violation", 0) for step in steps),
        "failures": dict(Counter(row["failure"] for row in rows
                                 if row["failure"] is not None and row["physics"] == now)),
        "chains": [{"chain": chain, "steps": len(own), "accepted": sum(step["accepted"] for step in own),
                    "acceptance": sum(step["accepted"] for step in own) / len(own) if own else None}
                   for chain, own in chains.items()],
        "best_cost": min(values, default=None),
        "models_trained": models,
        "screening_suspended": suspended,
        "cost": cost(spec, rows, sessions),
        "sessions": [{**session, "status": state if session is sessions[-1] else session["status"]}
                     for session in sessions],
        "best": summary["best"] if summary else None,
        "improvement_percent": summary["improvement_percent"] if summary else None,
    }


def cost(spec: Spec, rows: Sequence[dict[str, Any]], sessions: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Core hours of the solves made here, those taken over from other campaigns apart, and their price."""
    own = [row["seconds"] for row in rows if row["source"] is None]
    hours = sum(own) * spec.cluster.cpus_per_solver / 3600
    return {"core_hours": hours, "price": price(spec, hours), "solves_paid": len(own),
            "solves_taken_over": len(rows) - len(own), "seconds_per_solve": sum(own) / len(own) if own else None,
            "wall_s": sum(session["seen"] - session["began"] for session in sessions)}


def price(spec: Spec, core_hours: float) -> float | None:
    """In the currency of the spec's price."""
    each = spec.cluster.price_per_core_hour
    return None if each is None else each * core_hours


def _seconds_left(sessions: Sequence[dict[str, Any]], solved: Sequence[dict[str, Any]], planned: int, state: str
                  ) -> float | None:
    """From the solves of the session at work, else from the seconds of those that are there; None before any."""
    missing = planned - len(solved)
    if state == "running" and sessions:
        now = sessions[-1]
        done, spent = sum(row["at"] >= now["began"] for row in solved), now["seen"] - now["began"]
        if done > 0 and spent > 0:
            return missing * spent / done
    own = [row["seconds"] for row in solved if row["source"] is None]
    if not own:
        return None
    return missing * sum(own) / len(own) / (sessions[-1]["capacity"] if sessions else 1)
