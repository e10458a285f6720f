"""From a micrograph to the answer, in two steps that may run in two places: what is seen, and what that conducts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ssbray import anomaly, graph, materials, units
from ssbray.analysis.analyse import Analysis, Ask, analyse
from ssbray.analysis.sheet import material_map
from ssbray.domain import FeatureGraph, Micrograph
from ssbray.errors import InputError
from ssbray.service import picture

if TYPE_CHECKING:
    from ssbray.segmentation import Segmentation, Segmenter
    from ssbray.surrogate import Surrogate

TEMPERATURES_C = (-100.0, 400.0)
REGIONS = 20_000  #: of a map; a frame of a thousand grains has a tenth of that
_tables = cache(materials.load)


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What is asked of one micrograph, beside its pixels."""

    axis: str = "y"
    temperature_C: float = 25.0
    electrolyte: str = "Ta-LLZO"
    cathode: str = "NMC811"
    coating: str | None = None  #: without a name there is none, and its class is ruled out
    pictures: bool = False

    def __post_init__(self) -> None:
        if self.axis not in ("x", "y"):
            raise InputError("axis", self.axis, "must be x or y")
        if not TEMPERATURES_C[0] < self.temperature_C < TEMPERATURES_C[1]:
            raise InputError("temperature_C", self.temperature_C, "must lie between -100 and 400 C")
        tables = _tables()
        for part, key in (("electrolyte", self.electrolyte), ("cathode", self.cathode), ("coating", self.coating)):
            if key is not None and tables.phase(key).family != part:
                raise InputError(part, key, f"is of the family {tables.phase(key).family}: name a {part}")

    def ask(self, draws: int, seed: int, device: str) -> Ask:
        """The same in the words of the analysis."""
        phases = {"LLZO": self.electrolyte, "NMC": self.cathode} | ({"coating": self.coating} if self.coating else {})
        return Ask(draws=draws, seed=seed, axis=self.axis, temperature_C=self.temperature_C, device=device,
                   phases=phases)


@dataclass(frozen=True, eq=False, kw_only=True)
class Seen:
    """What the segmenter makes of a micrograph: all that is needed to go on, and to answer."""

    graph: FeatureGraph
    content: Mapping[str, Any]  #: plain data for the answer
    version: str  #: of the segmenter
    release: str = ""  #: of the pair of models that this belongs to
    analysis: Analysis | None = field(default=None, repr=False)


class _Bounded:
    """A segmenter that refuses maps of too many regions, before anything else is done with them."""

    def __init__(self, model: Segmenter, regions: int) -> None:
        self._model, self._regions = model, regions
        self.card, self.pixel_size_nm = model.card, model.pixel_size_nm

    def segment(self, micrograph: Micrograph, **options: Any) -> Segmentation:
        """The segmentation, if it is one."""
        from scipy.ndimage import label

        found = self._model.segment(micrograph, **options)
        labels = found.labels
        count = sum(int(label(labels == k)[1]) for k in np.unique(labels))
        if count > self._regions:
            raise InputError("image", f"{count} regions", f"falls into more than {self._regions} regions: to this "
                             "model it is noise, or far too large a field")
        return found


def see(micrograph: Micrograph, model: Segmenter, wishes: Wishes, *, version: str, draws: int = 0, seed: int = 0,
        device: str = "cpu", release: str = "", keep: bool = False, regions: int = REGIONS) -> Seen:
    """Segment a micrograph and describe it as a graph.

    version : of the segmenter; it is a digest of all weights, so it is not computed for every image.
    keep : the analysis itself too; it is much larger than the rest.
    regions : that a map may fall into; noise has one in every few pixels, and each costs time.
    """
    ask = wishes.ask(draws, seed, device)
    analysis = analyse(micrograph, _Bounded(model, regions), ask)  # type: ignore[arg-type]
    named = material_map(analysis.phase_map.labels, analysis.found.classes, analysis.sheet,
                         micrograph.pixel_size_nm, analysis.phase_map.grains)
    properties = materials.assign(named, _tables(), wishes.temperature_C)
    features = graph.build(named, properties.conductivity, properties.interfaces, axis=wishes.axis)
    labels, classes = analysis.found.labels, analysis.found.classes
    content: dict[str, Any] = {
        "phase_fraction": {name: analysis.phase_map.fraction(name) for name in classes},
        "measurements": analysis.intervals,
        "materials": {"electrolyte": wishes.electrolyte, "cathode": wishes.cathode, "coating": wishes.coating},
        "temperature_C": wishes.temperature_C, "axis": wishes.axis,
        "image": {"shape": list(micrograph.shape), "pixel_size_nm": micrograph.pixel_size_nm,
                  "sha256": micrograph.source_sha256},
        "mean_entropy_nat": float(analysis.found.entropy.mean()), "regions": features.size[0],
        "warnings": list(analysis.warnings)}
    if wishes.pictures:
        import base64

        grey = next(iter(micrograph.images.values()))
        content |= {"overlay_png_base64": base64.b64encode(picture.overlay_png(labels, classes)).decode(),
                    "image_png_base64": base64.b64encode(picture.grey_png(grey)).decode(),
                    "legend": {name: colour for name, colour in picture.colours(classes).items()
                               if bool((labels == classes.index(name)).any())}}
    return Seen(graph=features, content=content, version=version, release=release,
                analysis=analysis if keep else None)


def foretell(graphs: Sequence[FeatureGraph], model: Surrogate, device: str = "cpu"
             ) -> list[dict[str, Any] | InputError]:
    """What the surrogate says of each graph; a graph that it cannot read is an error in its place, for itself alone."""
    answers: list[dict[str, Any] | InputError] = []
    for each in graphs:
        try:
            model.scaling.check([each])
            answers.append({})
        except InputError as error:
            answers.append(error)
    good = [k for k, answer in enumerate(answers) if isinstance(answer, dict)]
    if good:
        chosen = [graphs[k] for k in good]
        told = zip(good, model.predict(chosen, device), model.novelty(chosen), model.losses(chosen, device),
                   strict=True)
        for k, found, novelty, loss in told:
            report = anomaly.report({"novelty": (float(novelty), model.own_novelty)})
            conducts = math.isfinite(found.mean_ln)
            sigma = units.S_per_cm(found.sigma) if conducts else 0.0
            answers[k] = {
                "version": found.model_version,
                "sigma_eff_S_per_cm": {"mean": sigma, "std": sigma * found.std_ln,
                                       "interval90": [units.S_per_cm(value) for value in found.interval90]},
                "moments_ln_S_per_m": {"mean": found.mean_ln, "epistemic": found.epistemic_ln,
                                       "aleatoric": found.aleatoric_ln},
                "anomaly": {"score": report.score, "p_value": report.p_value, "flag": report.flag,
                            "reasons": list(report.reasons)},
                "in_domain": found.in_domain,
                "resistance_budget": budget(graphs[k], *loss)}
    return answers


def parts(graphs: Sequence[FeatureGraph], nodes: int) -> list[list[FeatureGraph]]:
    """Graphs in their order, cut where the regions would become too many; a larger one comes alone."""
    found: list[list[FeatureGraph]] = []
    count = 0
    for each in graphs:
        if not found or count + each.size[0] > nodes:
            found.append([])
            count = 0
        found[-1].append(each)
        count += each.size[0]
    return found


def budget(of: FeatureGraph, nodes: np.ndarray, edges: np.ndarray) -> dict[str, float]:
    """Shares of the resistance by phase and by pair of phases, largest first; they sum to one where it conducts."""
    count = len(of.phases)
    pairs = np.sort(of.phase[of.edge_index], axis=0)
    within = np.bincount(of.phase, weights=nodes, minlength=count)
    between = np.bincount(pairs[0] * count + pairs[1], weights=edges, minlength=count**2)
    shares = {of.phases[k]: float(share) for k, share in enumerate(within)}
    shares |= {f"{of.phases[k // count]} | {of.phases[k % count]}": float(share) for k, share in enumerate(between)}
    return dict(sorted(((name, share) for name, share in shares.items() if share > 0), key=lambda row: -row[1]))


def joined(seen: Seen, told: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to an image."""
    told = dict(told)
    version = told.pop("version")
    told.pop("moments_ln_S_per_m")
    return {"model_version": f"{seen.version}+{version}", **told, **seen.content}


def scale_of_materials(temperature_C: float = 25.0) -> list[dict[str, Any]]:
    """Ionic conductivities of the phases in the tables, for a scale beside an answer [S/cm]."""
    tables = _tables()
    rows = []
    for key, phase in tables.phases.items():
        sigma = units.S_per_cm(tables.sigma(key, temperature_C + 273.15))
        if sigma > 0:
            rows.append({"phase": key, "name": phase.name, "family": phase.family, "sigma_S_per_cm": sigma})
    return sorted(rows, key=lambda row: float(row["sigma_S_per_cm"]))
