"""What came from what: sample, location, micrograph, segmentation, graph and finite-element result, by content."""

from ssbray.archive.entry import Arrays, Entry
from ssbray.archive.kinds import KINDS
from ssbray.archive.records import (
    graph_of,
    micrograph_of,
    phase_map_of,
    put_graph,
    put_location,
    put_micrograph,
    put_sample,
    put_segmentation,
    put_solution,
    recall_solution,
    solution_of,
)
from ssbray.archive.store import Archive
from ssbray.archive.verify import Problem, Report

__all__ = ["KINDS", "Archive", "Arrays", "Entry", "Problem", "Report", "graph_of", "micrograph_of", "phase_map_of",
           "put_graph", "put_location", "put_micrograph", "put_sample", "put_segmentation", "put_solution",
           "recall_solution", "solution_of"]
