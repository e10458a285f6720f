"""The few types that everything else exchanges. Frozen, complete when made, shapes and units beside each field."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray.errors import InputError

FloatArray = NDArray[np.float64]
AXES = {"z": -3, "y": -2, "x": -1}  #: name of a direction -> array axis, counted from the last


@dataclass(frozen=True, eq=False, kw_only=True)
class PhaseMap:
    """Which phase, and which grain, fills each pixel of a section or a volume.

    An entry of `boundaries` is a resistance without thickness between two phases, named
    ``"<phase>:<phase>:<what>"``: ``"LLZO:LLZO:grain boundary"`` acts between different grains
    of LLZO, ``"LLZO:NMC811:charge transfer"`` wherever LLZO touches NMC811. Entries of the same
    pair act in series. Values are area-specific resistances at 25 C.
    """

    labels: NDArray[np.uint8]  #: (H, W) or (D, H, W); index into `phases`
    phases: tuple[str, ...]  #: one name per label, e.g. ("LLZO", "NMC811", "pore")
    pixel_size_nm: float  #: edge of a square pixel or cubic voxel
    grains: NDArray[np.int32] | None = None  #: shape of `labels`; 0 where there is no grain
    boundaries: Mapping[str, float] = field(default_factory=dict)  #: name -> ASR at 25 C [ohm cm2]

    def __post_init__(self) -> None:
        if self.labels.dtype != np.uint8:
            raise InputError("labels", str(self.labels.dtype), "must be uint8: convert the label image")
        if self.labels.ndim not in (2, 3) or min(self.labels.shape, default=0) < 1:
            raise InputError("labels", self.labels.shape, "must be a non-empty (H, W) or (D, H, W) array")
        if (top := int(self.labels.max())) >= len(self.phases):
            raise InputError(
                "labels", top, f"only 0..{len(self.phases) - 1} are named ({', '.join(self.phases)}): "
                "add the name, or check the mask")
        if not (np.isfinite(self.pixel_size_nm) and self.pixel_size_nm > 0):
            raise InputError("pixel_size_nm", self.pixel_size_nm, "must be a positive number of nanometres")
        if self.grains is not None and self.grains.shape != self.labels.shape:
            raise InputError("grains", self.grains.shape, f"must have the shape of labels, {self.labels.shape}")
        for name, asr in self.boundaries.items():
            a, b, _ = boundary_parts(name)
            for phase in (a, b):
                if phase not in self.phases:
                    raise InputError("boundaries", name, f"no phase {phase!r} in the map ({', '.join(self.phases)})")
            if not asr >= 0:
                raise InputError(f"boundaries[{name}]", asr, "an area-specific resistance is zero or more [ohm cm2]")

    def fraction(self, phase: str) -> float:
        """Volume (area) fraction of a phase; zero when the map has no such phase."""
        if phase not in self.phases:
            return 0.0
        return float(np.mean(self.labels == self.phases.index(phase)))


@dataclass(frozen=True, eq=False, kw_only=True)
class Micrograph:
    """What a microscope recorded of one field of view: images, and counts of X-rays by element.

    All images share one grid. Maps of counts share a grid of their own, often coarser, over the same
    field of view; they are never interpolated here, because interpolated counts are no counts.
    """

    images: Mapping[str, NDArray[np.float32]]  #: detector ("haadf", "bf", "bse", "se", "image") -> (H, W)
    pixel_size_nm: float  #: edge of a square pixel of the images
    eds: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)  #: element -> (h, w)
    eds_are_counts: bool = True  #: False: filtered or normalised maps, whose noise is not Poisson's
    metadata: Mapping[str, Any] = field(default_factory=dict)  #: plain data: beam_energy_keV, sample, location, ...
    source_sha256: str = ""  #: of the file it was read from, or of what it was rendered from

    def __post_init__(self) -> None:
        if not self.images:
            raise InputError("images", "none", "a micrograph needs at least one image")
        shapes = {name: image.shape for name, image in self.images.items()}
        first = next(iter(shapes.values()))
        for name, shape in shapes.items():
            if len(shape) != 2 or min(shape) < 1 or shape != first:
                raise InputError(f"images[{name}]", shape, f"all images must be (H, W) of one shape, here {first}")
        grids = {element: counts.shape for element, counts in self.eds.items()}
        for element, shape in grids.items():
            if len(shape) != 2 or min(shape) < 1 or shape != next(iter(grids.values())):
                raise InputError(f"eds[{element}]", shape, "all maps of counts must be (h, w) of one shape")
        if not (np.isfinite(self.pixel_size_nm) and self.pixel_size_nm > 0):
            raise InputError("pixel_size_nm", self.pixel_size_nm, "must be a positive number of nanometres")

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the images."""
        height, width = next(iter(self.images.values())).shape
        return height, width

    @property
    def haadf(self) -> NDArray[np.float32] | None:
        """High-angle annular dark field, if there is one."""
        return self.images.get("haadf")

    @property
    def bf(self) -> NDArray[np.float32] | None:
        """Bright field, if there is one."""
        return self.images.get("bf")


def boundary_parts(name: str) -> tuple[str, str, str]:
    """Split a boundary's name into its two phases and what it is.

    >>> boundary_parts("LLZO:NMC811:charge transfer")
    ('LLZO', 'NMC811', 'charge transfer')
    """
    parts = name.split(":")
    if len(parts) != 3 or not all(parts):
        raise InputError("boundaries", name, "name it '<phase>:<phase>:<what>', e.g. 'LLZO:LLZO:grain boundary'")
    return parts[0], parts[1], parts[2]


@dataclass(frozen=True, eq=False, kw_only=True)
class TransportSolution:
    """What one finite-element solve says of a map, for a drop of 1 V along `axis`.

    `sigma_eff`, `asr` and the fields are SI. Where nothing percolates, `sigma_eff` is exactly
    zero, `asr` infinite, the fields zero, and `reason` says why.
    """

    sigma_eff: float  #: effective conductivity along `axis` [S/m]: the Q1 value, at or above the exact one
    asr: float  #: thickness / sigma_eff [ohm m2]
    axis: str
    boundary: str  #: "dirichlet" (plates, no flux through the sides) or "periodic"
    percolates: bool
    reason: str | None  #: why it does not percolate
    dissipation_fraction: Mapping[str, float]
    """"phase:<label>", "interface:<a>:<b>", "sheet:<a>:<b>" -> share of the loss; they sum to 1. They are the exact
    sensitivities d ln sigma_eff / d ln sigma_k, - d ln sigma_eff / d ln R and d ln sigma_eff / d ln sheet"""
    potential: FloatArray  #: (H, W) or (D, H, W), at pixel centres [V]; NaN where no current can reach
    current_density: FloatArray  #: (ndim, ...) in the order x, y[, z], at pixel centres [A/m2]
    dissipation: FloatArray  #: shape of potential, loss density in the pixels, interfaces apart [W/m3]
    faces: ThinLoss  #: loss at the thin interfaces, face by face
    dofs: int
    iterations: int
    residual: float  #: ||b - A u|| / ||b|| at the end
    solver: str  #: the preconditioner that was used
    seconds: Mapping[str, float]  #: mesh, assemble, setup, solve, total
    warnings: tuple[str, ...] = ()
    sheets: bool = False  #: whether interfaces conduct along themselves
    tensor: FloatArray | None = None  #: (ndim, ndim) in the order x, y[, z] [S/m]
    lower: float | None = None  #: certified lower bound [S/m]
    upper: float | None = None  #: certified upper bound [S/m]
    corners: Mapping[str, tuple[float, float]] | None = None
    """"connected", "separated" -> bounds [S/m] of either reading of diagonal contacts, where they differ noticeably"""
    refinement: Mapping[str, Any] | None = None
    """unknowns, refined_fraction, gap, reason (why the target gap was not reached, or None)"""

    @property
    def best(self) -> float | None:
        """Geometric mean of the bounds: much nearer to the exact value than either [S/m].

        None where the lower bound leaves out the current along conducting sheets: it may be far off then.
        """
        if self.lower is None or self.upper is None or self.sheets:
            return None
        return math.sqrt(self.lower * self.upper)

    @property
    def gap(self) -> float | None:
        """Relative width of the certified interval, (upper - lower) / sqrt(upper lower)."""
        if self.lower is None or self.upper is None:
            return None
        if self.upper == self.lower:
            return 0.0
        return (self.upper - self.lower) / math.sqrt(self.lower * self.upper) if self.lower > 0 else math.inf


@dataclass(frozen=True, eq=False, kw_only=True)
class ThinLoss:
    """Share of the whole loss that each face with a thin interface has, across and along it."""

    first: NDArray[np.int64]  #: (n,) flat index of the pixel on the low side
    second: NDArray[np.int64]  #: (n,) flat index of the pixel on the high side
    axis: NDArray[np.int64]  #: (n,) array axis of the normal
    across: FloatArray  #: (n,)
    along: FloatArray  #: (n,)


@dataclass(frozen=True, eq=False, kw_only=True)
class GraphMeasures:
    """Sizes and resistances on a feature graph, for people; a model reads the features, which are ratios."""

    sigma_S_per_cm: FloatArray  #: (n,)
    size_nm: FloatArray  #: (n,) area [nm2], or volume [nm3]
    centroid_nm: FloatArray  #: (n, ndim) from the corner of the map, in the order of its axes
    length_nm: FloatArray  #: (m,) length of each boundary [nm], or area [nm2]
    distance_nm: FloatArray  #: (m,) between the two centroids, along the normal
    normal: FloatArray  #: (m, ndim) mean normal from the first region to the second: 1 long if flat, 0 if closed
    interface_ohm_cm2: FloatArray  #: (m,) zero where none was given
    contact: NDArray[np.int64]  #: (2, c) region, and the electrode that it touches: 1 the first, 2 the last
    contact_length_nm: FloatArray  #: (c,) [nm], or area [nm2]
    contact_distance_nm: FloatArray  #: (c,) from the electrode to the centroid


@dataclass(frozen=True, eq=False, kw_only=True)
class FeatureGraph:
    """A phase map as regions (grains, layers, pores) and the boundaries between them.

    Node features and edge features are named, so that a model can refuse a graph of another make.
    Each undirected boundary is stored once, with `edge_index[0] < edge_index[1]`.
    """

    node_features: FloatArray  #: (n, d)
    node_names: tuple[str, ...]  #: d names of features
    edge_index: NDArray[np.int64]  #: (2, m)
    edge_features: FloatArray  #: (m, k)
    edge_names: tuple[str, ...]  #: k names of features
    terminals: NDArray[np.int64]  #: (n,) 0 inside, 1 touches the first electrode, 2 the last, 3 both
    phase: NDArray[np.int64]  #: (n,) index into `phases`
    phases: tuple[str, ...]
    sigma_network: float  #: resistor-network estimate of the effective conductivity [S/m]; 0 if it does not percolate
    thickness_m: float  #: distance between the electrodes [m]
    measures: GraphMeasures | None = None  #: None where only the features were kept

    @property
    def size(self) -> tuple[int, int]:
        """Numbers of nodes and edges."""
        return self.node_features.shape[0], self.edge_index.shape[1]

    def to_networkx(self) -> Any:
        """A networkx.Graph of regions and electrodes, for those who want its algorithms.

        Regions are 0 .. n - 1, electrodes "first" and "last"; `kind` tells boundaries from contacts. The
        features are attributes, and the fields of `measures` where there are any, in their units.
        """
        import networkx as nx

        graph = nx.Graph(sigma_network_S_per_m=self.sigma_network, thickness_m=self.thickness_m)
        nodes, edges, contacts = self._attributes()
        for node, row in enumerate(self.node_features):
            graph.add_node(node, kind="region", phase=self.phases[self.phase[node]],
                           terminal=int(self.terminals[node]), **nodes[node],
                           **dict(zip(self.node_names, map(float, row), strict=True)))
        graph.add_nodes_from(("first", "last"), kind="electrode")
        for (a, b), row, more in zip(self.edge_index.T, self.edge_features, edges, strict=True):
            graph.add_edge(int(a), int(b), kind="boundary", **more,
                           **dict(zip(self.edge_names, map(float, row), strict=True)))
        for flag, electrode in ((1, "first"), (2, "last")):
            for region in np.flatnonzero(self.terminals & flag).tolist():
                graph.add_edge(region, electrode, kind="contact", **contacts.get((region, flag), {}))
        return graph

    def _attributes(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[tuple[int, int], dict[str, Any]]]:
        """What `measures` says of each node, of each edge, and of each contact (node, flag of the electrode)."""
        n, m = self.size
        what = self.measures
        if what is None:
            return [{}] * n, [{}] * m, {}
        area, volume = ("length_nm", "area_nm2") if what.centroid_nm.shape[1] == 2 else ("area_nm2", "volume_nm3")

        def rows(**columns: NDArray[Any]) -> list[dict[str, Any]]:
            values = [map(tuple, column.tolist()) if column.ndim == 2 else column.tolist()
                      for column in columns.values()]
            return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]

        contacts = rows(**{area: what.contact_length_nm}, distance_nm=what.contact_distance_nm)
        return (rows(sigma_S_per_cm=what.sigma_S_per_cm, **{volume: what.size_nm}, centroid_nm=what.centroid_nm),
                rows(**{area: what.length_nm}, distance_nm=what.distance_nm, normal=what.normal,
                     interface_ohm_cm2=what.interface_ohm_cm2),
                dict(zip(map(tuple, what.contact.T.tolist()), contacts, strict=True)))


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What the surrogate believes of one graph. Conductivity is log-normal: the moments are those of ln sigma."""

    mean_ln: float  #: posterior predictive mean of ln(sigma_eff / (S/m))
    epistemic_ln: float  #: standard deviation that more training data would reduce
    aleatoric_ln: float  #: standard deviation that it would not
    interval90: tuple[float, float]  #: [S/m]
    in_domain: bool  #: inside the descriptor range of the training set
    model_version: str

    @property
    def sigma(self) -> float:
        """Median effective conductivity [S/m]."""
        return float(np.exp(self.mean_ln))

    @property
    def std_ln(self) -> float:
        """Total standard deviation of ln sigma."""
        return float(np.hypot(self.epistemic_ln, self.aleatoric_ln))
