"""Conductivity of what the micrographs show: finite elements on the segmented maps, beside those on the true ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ssbray import materials, rng, units
from ssbray.campaign.spec import Spec
from ssbray.campaign.task import Outcome, section, tables_of
from ssbray.campaign.through import Seen, through
from ssbray.domain import PhaseMap
from ssbray.segmentation import Segmenter
from ssbray.study.samples import Sight, charge_transfer
from ssbray.study.tools import Tools

#: 0.5 mA/cm2, an assumption of the order of NMC811 in a liquid (O'Regan et al. 2022, Electrochim. Acta 425, 140700)
EXCHANGE_CURRENT_A_PER_M2 = 5.0
ELECTRONIC_S_PER_M = 1.0  #: of the cathode in the model with two potentials: large beside any ionic conductivity here


def solve(sights: Sequence[Sight], truth_of: Sequence[str], spec: Spec, segmenter: Path, store: Path, tools: Tools
          ) -> dict[str, Any]:
    """Solve every micrograph as it is segmented, and the true maps of some of them.

    Returns
    -------
    `seen` and `true`: stem -> key of the ledger, conductivity [S/cm] and what failed; and how far they are apart.
    """
    model = Segmenter.load(segmenter)
    seen = tools.solve(store, [through(each.task, spec, model) for each in sights], "finite elements on images",
                       Seen(str(segmenter)))
    chosen = [each for each in sights if each.stem in set(truth_of)]
    true = tools.solve(store, [each.task for each in chosen], "finite elements on true maps")
    content = {"seen": {each.stem: told(outcome) for each, outcome in zip(sights, seen, strict=True)},
               "true": {each.stem: told(outcome) for each, outcome in zip(chosen, true, strict=True)}}
    content["conditions"] = {each.stem: {"temperature_C": each.task.temperature_C,
                                         "charge_transfer_ohm_cm2": charge_transfer(each.task)} for each in sights}
    return {**content, "apart": apart(content["seen"], content["true"])}


def told(outcome: Outcome) -> dict[str, Any]:
    """What the study keeps of an outcome; the rest is in the ledger under its key."""
    values = outcome.values
    return {"key": outcome.key, "failure": outcome.failure,
            **{name: values.get(name) for name in ("sigma_eff_S_per_cm", "percolates", "budget", "fractions")}}


def apart(seen: Mapping[str, Mapping[str, Any]], true: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Median of |sigma(image) / sigma(truth) - 1| [%] with a 90 % bootstrap interval over the images that conduct."""
    off = [100 * abs(seen[stem]["sigma_eff_S_per_cm"] / row["sigma_eff_S_per_cm"] - 1) for stem, row in true.items()
           if row["sigma_eff_S_per_cm"] and seen[stem]["sigma_eff_S_per_cm"]]
    broken = sum(bool(row["percolates"]) != bool(seen[stem]["percolates"]) for stem, row in true.items())
    if not off:
        return {"n": 0, "median_percent": None, "interval90": None, "percolation_wrong": broken}
    draws = rng.stream(0, "apart").choice(off, (2000, len(off)))
    return {"n": len(off), "median_percent": float(np.median(off)), "percolation_wrong": broken,
            "interval90": np.percentile(np.median(draws, axis=1), [5, 95]).tolist()}


def voltages(sights: Sequence[Sight], applied_mV: Sequence[float], tools: Tools) -> dict[str, Any]:
    """Resistance of the interface at several potentials, in the model with two potentials, on true maps."""
    rows = tools.each(Sweep(tuple(applied_mV)), sights, "potentials")
    return {"applied_mV": list(applied_mV), "exchange_current_mA_per_cm2": 0.1 * EXCHANGE_CURRENT_A_PER_M2,
            "images": {each.stem: row for each, row in zip(sights, rows, strict=True)}}


class Sweep:
    """Butler-Volmer solves of one location at several potentials; runs anywhere."""

    def __init__(self, applied_mV: tuple[float, ...]) -> None:
        self._applied_mV = applied_mV

    def __call__(self, sight: Sight) -> dict[str, Any]:
        """ASR of the interface at each potential [ohm cm2]; null, with the reason, where no current runs."""
        from ssbray.fea import two_potential
        from ssbray.fea.kinetics import Contact

        phase_map, tables = section(sight.task), tables_of(sight.task)
        properties = materials.assign(phase_map, tables, sight.task.temperature_C)
        electrodes = cathodes(phase_map, tables)
        contact = Contact(exchange_current=EXCHANGE_CURRENT_A_PER_M2, alpha=0.5, layer=0.0, kinetics="butler-volmer")
        ionic = {label: sigma for label, sigma in properties.conductivity.items() if label not in electrodes}
        found = two_potential.sweep(
            phase_map, ionic, dict.fromkeys(electrodes, ELECTRONIC_S_PER_M), contact, {}, axis="y",
            applied=[1e-3 * value for value in self._applied_mV], temperature=units.kelvin(sight.task.temperature_C))
        asr = [units.ohm_cm2(one.interface_asr) if one.percolates else math.nan for one in found]
        return {"interface_asr_ohm_cm2": [value if math.isfinite(value) else None for value in asr],
                "reason": found[0].reason}


def cathodes(phase_map: PhaseMap, tables: materials.Materials) -> list[int]:
    """Labels of the phases that conduct electrons."""
    return [label for label, key in enumerate(phase_map.phases) if tables.phase(key).family == "cathode"
            and (phase_map.labels == label).any()]
