"""Where the resistance sits, on the regions and boundaries of the feature graph."""

from __future__ import annotations

import numpy as np

from ssbray.domain import FloatArray, PhaseMap, TransportSolution
from ssbray.graph.boundary import find_boundaries
from ssbray.graph.regions import find_regions


def by_region(phase_map: PhaseMap, solution: TransportSolution) -> tuple[FloatArray, FloatArray]:
    """Share of the loss in each region, and at the thin interface between each two.

    Together they sum to 1 (to 0 where nothing percolates); what carries no current has 0. A face
    within one region, or between two that touch only round a periodic map, is no boundary of the
    graph: half of its loss goes to either side.

    Returns
    -------
    nodes : (n,) in the order of the nodes of `graph.build`.
    edges : (m,) in the order of its edges.
    """
    regions = find_regions(phase_map.labels, phase_map.grains)
    pair = find_boundaries(regions).pair
    n = len(regions.label)
    image = regions.image.reshape(-1)
    faces = solution.faces
    at_faces = faces.across + faces.along
    whole = float(solution.dissipation.sum())
    in_pixels = sum(share for key, share in solution.dissipation_fraction.items() if key.startswith("phase:"))
    scale = in_pixels / whole if whole > 0 else 0.0
    nodes, edges = np.zeros(n), np.zeros(pair.shape[1])
    nodes += np.bincount(image, weights=solution.dissipation.reshape(-1) * scale, minlength=n)
    if pair.shape[1] == 0:  # one region: every face lies within it
        nodes[0] += float(at_faces.sum())
        return nodes, edges
    sides = np.sort(np.stack([image[faces.first], image[faces.second]]), axis=0)
    known, wanted = pair[0] * n + pair[1], sides[0] * n + sides[1]  # edges are sorted by this code
    place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    found = known[place] == wanted
    edges += np.bincount(place[found], weights=at_faces[found], minlength=len(known))
    for side in sides:
        nodes += np.bincount(side[~found], weights=at_faces[~found] / 2, minlength=n)
    return nodes, edges
