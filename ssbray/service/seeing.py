"""The first step to an answer: micrographs as graphs, with what is measured on them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ssbray import graph, materials
from ssbray.analysis.analyse import Analysis, analyse
from ssbray.analysis.draws import drawn
from ssbray.analysis.propagate import QUANTITY
from ssbray.analysis.sheet import material_map
from ssbray.domain import FeatureGraph, Micrograph, PhaseMap
from ssbray.errors import InputError
from ssbray.service import picture
from ssbray.service.asked import Question, Seen, Wishes, tables

if TYPE_CHECKING:
    from ssbray.segmentation import Segmentation, Segmenter

REGIONS = 20_000  #: of a map; a frame of a thousand grains has a tenth of that


class _Found:
    """A segmenter that has already answered."""

    def __init__(self, model: Segmenter, found: Segmentation) -> None:
        self.card, self.pixel_size_nm, self._found = model.card, model.pixel_size_nm, found

    def segment(self, _: Micrograph, **__: Any) -> Segmentation:
        """What it said."""
        return self._found


def see_all(micrographs: Sequence[tuple[Micrograph, Wishes]], model: Segmenter, *, device: str = "cpu", **more: Any
            ) -> list[Seen | Exception]:
    """Segment micrographs together (`segment_all`) and describe each; what goes wrong with one is its own answer."""
    from ssbray.segmentation.together import segment_all

    answers: list[Seen | Exception] = []
    for (micrograph, wishes), found in zip(micrographs, segment_all(model, [one for one, _ in micrographs],
                                                                    device=device), strict=True):
        try:
            if isinstance(found, InputError):
                raise found
            answers.append(describe(micrograph, found, model, wishes, device=device, **more))
        except Exception as error:  # a mistake of ours with this frame is no reason to lose the others
            answers.append(error)
    return answers


def see(micrograph: Micrograph, model: Segmenter, wishes: Wishes, *, device: str = "cpu", **more: Any) -> Seen:
    """Segment a micrograph and describe it as a graph; `more` as in `describe`."""
    return describe(micrograph, model.segment(micrograph, device=device), model, wishes, device=device, **more)


def describe(micrograph: Micrograph, found: Segmentation, model: Segmenter, wishes: Wishes, *, version: str,
             maps: int = 0, draws: int = 0, seed: int = 0, device: str = "cpu", release: str = "",
             keep: bool = False, regions: int = REGIONS) -> Seen:
    """A segmentation as a graph, and as graphs drawn from its posterior, with what is measured on it.

    version : of the segmenter; it is a digest of all weights, so it is not computed for every image.
    maps : drawn from the posterior, for the interval of the conductivity.
    draws : maps for the intervals of all measurements; to measure a map costs more than to find its conductivity.
    keep : the analysis itself too; it is much larger than the rest.
    regions : that a map may fall into; noise has one in every few pixels, and each costs time.
    """
    _bounded(found, regions)
    ask = wishes.ask(draws, seed, device)
    analysis = analyse(micrograph, _Found(model, found), ask)  # type: ignore[arg-type]
    features = _graph(analysis, analysis.phase_map, wishes)
    others = tuple(replace(_graph(analysis, each, wishes), measures=None)
                   for each in drawn(analysis.found, analysis.phase_map, maps, analysis.trust, seed))
    classes = analysis.found.classes
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
        content |= _pictures(micrograph, analysis)
    question = Question(graph=features, others=others, width=analysis.trust.width(QUANTITY), shares=wishes.pictures)
    return Seen(question=question, content=content, version=version, release=release,
                analysis=analysis if keep else None)


def _bounded(found: Segmentation, regions: int) -> None:
    """Refuse maps of too many regions, before anything else is done with them."""
    from scipy.ndimage import label

    labels = found.labels
    count = sum(int(label(labels == k)[1]) for k in np.unique(labels))
    if count > regions:
        raise InputError("image", f"{count} regions", f"falls into more than {regions} regions: to this model it is "
                         "noise, or far too large a field")


def _graph(analysis: Analysis, phase_map: PhaseMap, wishes: Wishes) -> FeatureGraph:
    """A map of visible classes as a graph, in the materials that were named."""
    named = material_map(phase_map.labels, analysis.found.classes, analysis.sheet, analysis.found.pixel_size_nm,
                         phase_map.grains)
    properties = materials.assign(named, tables(), wishes.temperature_C)
    return graph.build(named, properties.conductivity, properties.interfaces, axis=wishes.axis)


def _pictures(micrograph: Micrograph, analysis: Analysis) -> dict[str, Any]:
    """The image and the overlay as PNG, and the colours in it."""
    labels, classes = analysis.phase_map.labels, analysis.found.classes
    grey = next(iter(micrograph.images.values()))
    return {"overlay_png_base64": base64.b64encode(picture.overlay_png(labels, classes)).decode(),
            "image_png_base64": base64.b64encode(picture.grey_png(grey)).decode(),
            "legend": {name: colour for name, colour in picture.colours(classes).items()
                       if bool((labels == classes.index(name)).any())}}
