"""The types of the package as entries, and back: one line per step of an analysis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray.archive.entry import Entry
from ssbray.archive.store import Archive
from ssbray.domain import FeatureGraph, Micrograph, PhaseMap, ThinLoss, TransportSolution
from ssbray.errors import InputError

GRAPH_ARRAYS = ("node_features", "edge_index", "edge_features", "terminals", "phase")
GRAPH_TEXT = ("node_names", "edge_names", "phases")
SOLUTION_ARRAYS = ("potential", "current_density", "dissipation")
SOLUTION_VALUES = ("axis", "boundary", "percolates", "reason", "dissipation_fraction", "dofs", "iterations", "residual",
                   "solver", "seconds", "warnings", "sheets", "corners", "refinement")
SOLUTION_SI = {"sigma_eff": "sigma_eff_S_per_m", "asr": "asr_ohm_m2", "lower": "lower_S_per_m",
               "upper": "upper_S_per_m"}
FACES = ("first", "second", "axis", "across", "along")


def put_sample(archive: Archive, name: str, **values: Any) -> Entry:
    """A sample, by its name; `values` is what is known of it (dopant, sintering, ...)."""
    return archive.add("sample", values={**values, "name": name})


def put_location(archive: Archive, sample: Entry, name: str, **values: Any) -> Entry:
    """A place on a sample; several of one sample stay together."""
    return archive.add("location", values={**values, "name": name}, parents=[sample])


def put_micrograph(archive: Archive, micrograph: Micrograph, *, sample: str, location: str) -> Entry:
    """A micrograph, with the sample and the location that it was taken of."""
    place = put_location(archive, put_sample(archive, sample), location)
    arrays = {f"image.{name}": image for name, image in micrograph.images.items()}
    arrays |= {f"eds.{element}": counts for element, counts in micrograph.eds.items()}
    values = {"pixel_size_nm": micrograph.pixel_size_nm, "eds_are_counts": micrograph.eds_are_counts,
              "metadata": dict(micrograph.metadata), "source_sha256": micrograph.source_sha256,
              "images": list(micrograph.images), "eds": list(micrograph.eds), "shape": list(micrograph.shape)}
    return archive.add("micrograph", arrays=arrays, values=values, parents=[place])


def micrograph_of(entry: Entry) -> Micrograph:
    """The micrograph of an entry."""
    values = _values(entry, "micrograph")
    return Micrograph(images={name: entry.arrays[f"image.{name}"] for name in values["images"]},
                      eds={element: entry.arrays[f"eds.{element}"] for element in values["eds"]},
                      pixel_size_nm=values["pixel_size_nm"], eds_are_counts=values["eds_are_counts"],
                      metadata=values["metadata"], source_sha256=values["source_sha256"])


def put_segmentation(archive: Archive, phase_map: PhaseMap, micrographs: Iterable[Entry | str], *,
                     probabilities: NDArray[np.floating[Any]] | None = None,
                     inputs: Mapping[str, Any] | None = None, code: str | None = None) -> Entry:
    """A phase map and the micrographs that it was read from.

    With `inputs` (which model, which options) and `code` it is found again by `archive.recall`.
    """
    if (inputs is None) != (code is None):
        raise InputError("code", code, "give inputs and code together, or neither")
    arrays: dict[str, NDArray[Any]] = {"labels": phase_map.labels}
    if phase_map.grains is not None:
        arrays["grains"] = phase_map.grains
    if probabilities is not None:
        arrays["probabilities"] = probabilities
    fractions = {phase: phase_map.fraction(phase) for phase in phase_map.phases}
    values = {"phases": phase_map.phases, "pixel_size_nm": phase_map.pixel_size_nm,
              "boundaries": dict(phase_map.boundaries), "fraction": fractions, "shape": list(phase_map.labels.shape)}
    if inputs is None or code is None:
        return archive.add("segmentation", arrays=arrays, values=values, parents=micrographs)
    return archive.remember("segmentation", inputs, code=code, arrays=arrays, values=values, parents=micrographs)


def phase_map_of(entry: Entry) -> PhaseMap:
    """The phase map of an entry."""
    values = _values(entry, "segmentation")
    return PhaseMap(labels=entry.arrays["labels"], phases=tuple(values["phases"]),
                    pixel_size_nm=values["pixel_size_nm"], boundaries=values["boundaries"],
                    grains=entry.arrays.get("grains"))


def put_graph(archive: Archive, graph: FeatureGraph, segmentation: Entry | str) -> Entry:
    """A feature graph and the segmentation that it was made from."""
    nodes, edges = graph.size
    values: dict[str, Any] = {name: getattr(graph, name) for name in GRAPH_TEXT}
    values |= {"sigma_network_S_per_m": graph.sigma_network, "thickness_m": graph.thickness_m, "nodes": nodes,
               "edges": edges}
    return archive.add("graph", arrays={name: getattr(graph, name) for name in GRAPH_ARRAYS}, values=values,
                       parents=[segmentation])


def graph_of(entry: Entry) -> FeatureGraph:
    """The feature graph of an entry."""
    values = _values(entry, "graph")
    fields: dict[str, Any] = {name: tuple(values[name]) for name in GRAPH_TEXT}
    fields |= {name: entry.arrays[name] for name in GRAPH_ARRAYS}
    return FeatureGraph(**fields, sigma_network=values["sigma_network_S_per_m"],
                        thickness_m=values["thickness_m"])


def put_solution(archive: Archive, solution: TransportSolution, parents: Iterable[Entry | str], *,
                 inputs: Mapping[str, Any], code: str) -> Entry:
    """A finite-element result, what it was solved on, and all that decided it: `recall_solution` finds it again.

    Parameters
    ----------
    parents : the segmentation or the graph.
    inputs : conductivities, interfaces, axis, boundary, tolerance, ...: whatever changes the result.
    code : version of what solved it.
    """
    arrays: dict[str, NDArray[Any]] = {name: getattr(solution, name) for name in SOLUTION_ARRAYS}
    arrays |= {f"faces.{name}": getattr(solution.faces, name) for name in FACES}
    if solution.tensor is not None:
        arrays["tensor"] = solution.tensor
    values = {name: getattr(solution, name) for name in SOLUTION_VALUES}
    values |= {stored: getattr(solution, name) for name, stored in SOLUTION_SI.items()}
    return archive.remember("solution", inputs, code=code, arrays=arrays, values=values, parents=parents)


def recall_solution(archive: Archive, parents: Iterable[Entry | str], *, inputs: Mapping[str, Any], code: str
                    ) -> TransportSolution | None:
    """The result of a solve that was done before; None where there is none."""
    entry = archive.recall("solution", inputs, code=code, parents=parents)
    return None if entry is None else solution_of(entry)


def solution_of(entry: Entry) -> TransportSolution:
    """The finite-element result of an entry."""
    values = _values(entry, "solution")
    fields: dict[str, Any] = {name: values[name] for name in SOLUTION_VALUES}
    fields |= {name: values[stored] for name, stored in SOLUTION_SI.items()}
    fields["warnings"] = tuple(fields["warnings"])
    if fields["corners"] is not None:
        fields["corners"] = {name: tuple(bounds) for name, bounds in fields["corners"].items()}
    fields |= {name: entry.arrays[name] for name in SOLUTION_ARRAYS}
    faces = ThinLoss(**{name: entry.arrays[f"faces.{name}"] for name in FACES})
    return TransportSolution(**fields, tensor=entry.arrays.get("tensor"), faces=faces)


def _values(entry: Entry, kind: str) -> Mapping[str, Any]:
    if entry.kind != kind:
        raise InputError("entry", f"{entry.kind} {entry.short}", f"is not a {kind}")
    return entry.values
