"""The tables of the page. Everything that is not ours to trust goes through `html.escape`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ssbray.campaign.report import words
from ssbray.campaign.spec import Spec


def text(content: str) -> str:
    """Escape for HTML, and keep a number together with its unit."""
    return re.sub(r"(?<=\d) (?=(%|nm|°C|h|MPa|Ω|S/cm|× 10)\b|%)|(?<=×) (?=10)|(?<=Ω) (?=cm)", "&nbsp;", escape(content))


def table(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str, kind: str = "") -> str:
    """HTML of a table whose first column names the rows."""
    top = "".join(f'<th scope="col">{text(cell)}</th>' for cell in head)
    body = "".join(f'<tr><th scope="row">{text(first)}</th>{"".join(f"<td>{text(cell)}</td>" for cell in rest)}</tr>'
                   for first, *rest in rows)
    return (f'<div class="wide"><table class="{kind}"><caption>{text(caption)}</caption><thead><tr>{top}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>")


def designs(spec: Spec, shown: Sequence[Mapping[str, Any]], caption: str) -> str:
    """Designs side by side: what was searched or differs, and what came out."""
    names = list(spec.search)
    names += [name for name in shown[0]["parameters"]
              if name not in names and len({design["parameters"][name] for design in shown}) > 1]
    rows = [[words.titled(name), *(words.value_of(design["parameters"], name) for design in shown)] for name in names]
    height_cm = spec.specimen.size_nm[1] * 1e-7
    rows += [["area-specific resistance", *(words.resistance(design) for design in shown)],
             [f"its 90 % interval ({words.ASR_UNIT})", *(_resistance_interval(design, height_cm) for design in shown)],
             [f"effective conductivity ({words.SIGMA_UNIT})",
              *(words.number(design["sigma_eff_S_per_cm"]) for design in shown)],
             [f"its 90 % interval ({words.SIGMA_UNIT})", *(words.between(design["interval90"]) for design in shown)],
             ["fresh specimens", *(str(design["specimens"]) for design in shown)]]
    return table(["", *(str(design["role"]) for design in shown)], rows, caption)


def _resistance_interval(design: Mapping[str, Any], height_cm: float) -> str:
    """Thickness over the ends of the conductivity's interval."""
    if design["interval90"] is None:
        return "–"
    return words.between([height_cm / end for end in design["interval90"]])


def provenance(spec: Spec, summary: Mapping[str, Any]) -> str:
    """Where the numbers come from, and what it took."""
    seconds = summary["seconds"]
    rows = [["campaign", summary["name"]],
            ["seed", str(spec.seed)],
            ["spec sha256", summary["spec_sha256"]],
            ["physics version", summary["physics_version"]],
            ["trajectory sha256", summary["trajectory_sha256"]],
            ["model", f"{summary['model']}, {words.given(spec.conditions.temperature_C)} °C"],
            ["pixel size", f"{words.given(spec.specimen.pixel_size_nm)} nm"],
            ["designs evaluated in the search", str(summary["evaluations"])],
            ["finite-element solves", str(summary["fe_solves"])],
            ["of these in this run", str(summary["fe_solves_this_run"])],
            ["requests answered from the ledger (cache hits)", str(summary["cache_hits"])],
            ["proposals ranked and not solved", str(summary["screened"])],
            ["wall time of this run", f"{words.number(seconds['total'])} s"],
            ["solving, summed over workers", f"{words.number(seconds['solving'])} s"],
            ["training the surrogate", f"{words.number(seconds['training'])} s"],
            ["orchestration (the rest)", f"{words.number(seconds['orchestration'])} s"]]
    if summary.get("mlflow_run_id"):
        rows.append(["MLflow run", str(summary["mlflow_run_id"])])
    return table(["", ""], rows, "Origin of every number on this page", "long")
