"""Conductivity of what the micrographs show: finite elements on the segmented maps, beside those on the true ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import constants

from ssbray import materials, rng, units
from ssbray.campaign.spec import Spec
from ssbray.campaign.task import Outcome, section, tables_of
from ssbray.campaign.through import Seen, through
from ssbray.domain import FloatArray, PhaseMap
from ssbray.segmentation import Segmenter
from ssbray.study.samples import Sight, charge_transfer
from ssbray.study.tools import Tools

FEWEST_SAMPLES = 4  #: from which a bootstrap over samples means something
CHARGE_TRANSFER = "charge transfer"
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
    return {**content, "apart": apart(content["seen"], content["true"], {each.stem: each.sample for each in chosen})}


def told(outcome: Outcome) -> dict[str, Any]:
    """What the study keeps of an outcome; the rest is in the ledger under its key."""
    values = outcome.values
    return {"key": outcome.key, "failure": outcome.failure,
            **{name: values.get(name) for name in ("sigma_eff_S_per_cm", "percolates", "budget", "fractions")}}


def apart(seen: Mapping[str, Mapping[str, Any]], true: Mapping[str, Mapping[str, Any]], samples: Mapping[str, str]
          ) -> dict[str, Any]:
    """Median of |sigma(image) / sigma(truth) - 1| [%] over the images that conduct; 90 % interval by samples."""
    both = {stem: (seen[stem], row) for stem, row in true.items()
            if seen[stem]["failure"] is None and row["failure"] is None}
    broken = sum(bool(image["percolates"]) != bool(row["percolates"]) for image, row in both.values())
    off = {stem: 100 * abs(image["sigma_eff_S_per_cm"] / row["sigma_eff_S_per_cm"] - 1)
           for stem, (image, row) in both.items() if row["sigma_eff_S_per_cm"] and image["sigma_eff_S_per_cm"]}
    names = [samples[stem] for stem in off]
    return {"n": len(off), "samples": len(set(names)), "percolation_wrong": broken,
            "median_percent": float(np.median(list(off.values()))) if off else None,
            "interval90": by_samples(list(off.values()), names, np.median, 0)}


def by_samples(values: Sequence[float], samples: Sequence[str], statistic: Callable[[FloatArray], Any], seed: int
               ) -> list[float] | None:
    """90 % bootstrap interval of a statistic where images of one sample hang together; None of fewer than four."""
    groups = {name: [value for value, own in zip(values, samples, strict=True) if own == name]
              for name in sorted(set(samples))}
    if len(groups) < FEWEST_SAMPLES:
        return None
    random, each, names = rng.stream(seed, "bootstrap of samples"), [], list(groups)
    for _ in range(2000):
        chosen = random.integers(len(names), size=len(names))
        each.append(float(statistic(np.array([value for k in chosen for value in groups[names[k]]]))))
    low, high = np.percentile(each, [5, 95])
    return [float(low), float(high)]


def voltages(sights: Sequence[Sight], applied_mV: Sequence[float], tools: Tools) -> dict[str, Any]:
    """Resistance of the interface at several potentials, in the model with two potentials, on true maps."""
    rows = tools.each(Sweep(tuple(applied_mV)), sights, "potentials")
    return {"applied_mV": list(applied_mV), "images": {each.stem: row for each, row in zip(sights, rows, strict=True)}}


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
        layers, resistance = series(properties)
        if not resistance:
            return {"interface_asr_ohm_cm2": [None] * len(self._applied_mV), "reason": "nothing touches the cathode",
                    "exchange_current_mA_per_cm2": None}
        kelvin = units.kelvin(sight.task.temperature_C)
        exchange = constants.R * kelvin / (constants.value("Faraday constant") * resistance)
        contact = Contact(exchange_current=exchange, alpha=0.5, layer=0.0, kinetics="butler-volmer")
        ionic = {label: sigma for label, sigma in properties.conductivity.items() if label not in electrodes}
        found = two_potential.sweep(
            phase_map, ionic, dict.fromkeys(electrodes, ELECTRONIC_S_PER_M), contact, layers, axis="y",
            applied=[1e-3 * value for value in self._applied_mV], temperature=kelvin)
        asr = [units.ohm_cm2(one.interface_asr) if one.percolates else math.nan for one in found]
        return {"interface_asr_ohm_cm2": [value if math.isfinite(value) else None for value in asr],
                "reason": found[0].reason, "exchange_current_mA_per_cm2": 0.1 * exchange}


def series(properties: materials.Properties) -> tuple[dict[tuple[int, int], float], float]:
    """Interfaces without charge transfer [ohm m2], and the resistance of charge transfer [ohm m2]; zero if none.

    Its exchange current is that of the same resistance at small potentials, ``RT / F R``.
    """
    layers = {pair: sum(value for name, value in parts.items() if CHARGE_TRANSFER not in name)
              for pair, parts in properties.parts.items()}
    found = {value for parts in properties.parts.values() for name, value in parts.items() if CHARGE_TRANSFER in name}
    return {pair: value for pair, value in layers.items() if value > 0}, max(found, default=0.0)


def cathodes(phase_map: PhaseMap, tables: materials.Materials) -> list[int]:
    """Labels of the phases that conduct electrons."""
    return [label for label, key in enumerate(phase_map.phases) if tables.phase(key).family == "cathode"
            and (phase_map.labels == label).any()]
