"""Problems whose effective conductivity is known, and what it is.

The cell is 1 m wide and the matrix has 1 S/m, so that all numbers are those of the dimensionless
problem. Inclusions are the pixels nearest to their centres, with all their mirror images, as many as
come closest to the wanted area: the raster has next to no error of the fraction, but keeps its staircase.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssbray.domain import PhaseMap

Interfaces = Mapping[tuple[int, int], float]
Problem = tuple[PhaseMap, Mapping[int, float], Interfaces]

SUPER = 1e6  #: stands for a perfect conductor; the values below move by less than 1e-5 of themselves

PERRINS = "multipoles; 10.1098/rspa.1979.0160"
SPHERES = "multipoles; McPhedran and McKenzie 1978"
KAPITZA = "multipoles, order n sees s/(1 + n R s/a)"

#: Cylinders: (fraction, conductivity) -> effective conductivity; inf conducts perfectly.
SQUARE = {
    (0.3, 10.0): 1.652036, (0.3, 100.0): 1.835919, (0.3, math.inf): 1.860188, (0.3, 0.0): 0.537580,
    (0.5, 10.0): 2.415467, (0.5, 100.0): 2.994768, (0.5, math.inf): 3.080198, (0.5, 0.0): 0.324654,
    (0.7, 10.0): 4.061707, (0.7, 100.0): 6.837441, (0.7, math.inf): 7.432709, (0.7, 0.0): 0.134540,
}
HEXAGONAL = {(0.5, 10.0): 2.386467, (0.5, 100.0): 2.926609, (0.5, math.inf): 3.004726, (0.5, 0.0): 0.332809}
#: With an interface: (fraction, conductivity, resistance in radii over matrix conductivity).
SQUARE_INTERFACE = {
    (0.3, 10.0, 0.1): 1.500443, (0.3, 10.0, 1.0): 0.971829, (0.3, 10.0, 10.0): 0.604603,
    (0.5, 10.0, 0.01): 2.365393, (0.5, 10.0, 0.1): 2.008270, (0.5, 10.0, 1.0): 0.953467,
    (0.5, 10.0, 10.0): 0.412370, (0.5, 10.0, 100.0): 0.333793,
    (0.7, 10.0, 0.1): 2.822537, (0.7, 10.0, 1.0): 0.935366, (0.7, 10.0, 10.0): 0.240577,
    (0.5, 1.0, 0.1): 0.953483, (0.5, 1.0, 1.0): 0.713341, (0.5, 1.0, 10.0): 0.405447,
}
HEXAGONAL_INTERFACE = {(0.5, math.inf, 0.1): 2.385369, (0.5, math.inf, 1.0): 1.0, (0.5, math.inf, 10.0): 0.418973}
#: Spheres: (lattice, fraction, conductivity).
SPHERE = {
    ("SC", 0.3, 10.0): 1.887740, ("SC", 0.3, 100.0): 2.274567, ("SC", 0.3, 0.0): 0.605661,
    ("BCC", 0.3, 10.0): 1.873234, ("FCC", 0.3, 10.0): 1.872463,
}
SPHERE_INTERFACE = {("SC", 0.3, 10.0, 0.1): 1.624740, ("SC", 0.3, 10.0, 1.0): 0.972128,
                    ("SC", 0.3, 10.0, 10.0): 0.655562}

#: Centres of the inclusions in the cell, in units of its edges.
LATTICES: dict[str, list[tuple[float, ...]]] = {
    "square": [(0.5, 0.5)],
    "hexagonal": [(0.0, 0.0), (0.5, 0.5)],
    "SC": [(0.5, 0.5, 0.5)],
    "BCC": [(0.0, 0.0, 0.0), (0.5, 0.5, 0.5)],
    "FCC": [(0.0, 0.0, 0.0), (0.0, 0.5, 0.5), (0.5, 0.0, 0.5), (0.5, 0.5, 0.0)],
}
ROWS = {112: 194, 224: 388, 448: 776}  #: width -> height of the hexagonal cell: sqrt(3) * 1.000053


@dataclass(frozen=True, eq=False, kw_only=True)
class Case:
    """One problem at several resolutions."""

    name: str
    dimension: int
    exact: float  #: effective conductivity along `axis` [S/m]
    build: Callable[[int], Problem]  #: pixels along the cell's edge -> arguments of `solve`
    sizes: tuple[int, int, int]
    source: str
    axis: str = "x"
    boundary: str = "dirichlet"
    fraction: float | None = None  #: of label 1, where the raster can only approach it
    on_grid: bool = False  #: the pixels are the geometry itself: its bounds hold the exact value
    dual: Callable[[int], Problem] | None = None  #: solved along y; the value is then the geometric mean


def image(labels: ArrayLike, cell: int, grains: ArrayLike | None = None) -> PhaseMap:
    """Phase map of a cell that is 1 m wide and `cell` pixels across."""
    values = np.ascontiguousarray(labels, dtype=np.uint8)
    return PhaseMap(labels=values, phases=tuple(str(k) for k in range(int(values.max()) + 1)), pixel_size_nm=1e9 / cell,
                    grains=None if grains is None else np.ascontiguousarray(grains, dtype=np.int32))


def nearest(far: NDArray[np.number], fraction: float) -> NDArray[np.bool_]:
    """Fill an image from the least distance up, in whole shells, to the share nearest to `fraction`."""
    shells, counts = np.unique(far, return_counts=True)
    best = int(np.argmin(np.abs(np.cumsum(counts) - fraction * far.size)))
    return np.asarray(far <= shells[best])


def lattice(kind: str, n: int, fraction: float) -> tuple[NDArray[np.bool_], float]:
    """Rasterise the discs or spheres of a unit cell; return the image and their true radius [m]."""
    centres = LATTICES[kind]
    ndim = len(centres[0])
    shape = (ROWS[n], n) if kind == "hexagonal" else (n,) * ndim
    period = np.array(shape).reshape(-1, *(1,) * ndim)
    place = np.indices(shape) + 0.5
    far = np.full(shape, np.iinfo(np.int64).max)
    for centre in centres:
        apart = (place - np.reshape(centre, period.shape) * period + period / 2) % period - period / 2
        square = np.rint(4 * apart**2).astype(np.int64)
        # by the fourth powers, where distances tie: a shell is then one pixel and its mirror images
        far = np.minimum(far, (square.sum(axis=0) << 40) + (square**2).sum(axis=0))
    content = fraction * math.prod(shape) / n**ndim / len(centres)  # of one inclusion
    radius = math.sqrt(content / math.pi) if ndim == 2 else (3 * content / (4 * math.pi)) ** (1 / 3)
    return nearest(far, fraction), radius


def inclusions(n: int, *, kind: str, fraction: float, sigma: float, resistance: float = 0.0) -> Problem:
    """Discs or spheres of conductivity `sigma`; the resistance in units of the radius."""
    inside, radius = lattice(kind, n, fraction)
    interfaces = {(0, 1): resistance * radius} if resistance else {}
    return image(inside, n), {0: 1.0, 1: min(sigma, SUPER)}, interfaces


def checkers(n: int, *, table: ArrayLike, sigma: Mapping[int, float]) -> Problem:
    """A small image in the labels of `table`, enlarged to `n` pixels across."""
    cells = np.asarray(table)
    return image(np.kron(cells, np.ones((n // cells.shape[1],) * 2)), n), sigma, {}


def layers(n: int, *, ndim: int, axis: int) -> Problem:
    """Six layers of three phases along an array axis; resistance between two of the three pairs."""
    profile = np.repeat([0, 1, 1, 0, 2, 2], n // 6)
    across = [n if d == axis else 4 for d in range(ndim)]
    labels = np.broadcast_to(profile.reshape([-1 if d == axis else 1 for d in range(ndim)]), across)
    return image(labels, n), {0: 1.0, 1: 1e-3, 2: 7.0}, {(0, 1): 20.0, (0, 2): 30.0}


def bricks(n: int, *, ndim: int, count: int, sigma: float, resistance: float) -> Problem:
    """`count` equal grains along each edge, with a resistance between every two."""
    grains = np.kron(np.arange(1, count**ndim + 1).reshape((count,) * ndim),
                     np.ones((n // count,) * ndim, dtype=int))
    return image(np.zeros(grains.shape), n, grains), {0: sigma}, {(0, 0): resistance}


def slit(n: int, *, open_: float) -> Problem:
    """Half of a strip, 1 m wide and 4 m long, with a wall of no thickness that is open next to the mirror line."""
    labels = np.zeros((4 * n, n))
    labels[: 2 * n] = 1
    labels[2 * n :, round(open_ * n) :] = 2
    return image(labels, n), {0: 1.0, 1: 1.0, 2: 1.0}, {(1, 2): math.inf}


def tube(n: int, *, open_: float) -> Problem:
    """A quarter of a round tube, of 1 m radius and 3 m long, with a thin wall that is open in a circle."""
    place = np.indices((n, n)) + 0.5
    distance2 = (place**2).sum(axis=0)
    half = 3 * n // 2
    labels = np.empty((2 * half, n, n))
    labels[:half] = 1
    labels[half:] = np.where(nearest(distance2, math.pi / 4 * open_**2), 0, 2)
    labels[:, ~nearest(distance2, math.pi / 4)] = 3
    return image(labels, n), {0: 1.0, 1: 1.0, 2: 1.0, 3: 0.0}, {(1, 2): math.inf}


def _arrays() -> list[Case]:
    """Discs and spheres on lattices, with and without an interface."""
    cases = []
    table: dict[tuple[str, float, float, float], float] = {}
    table |= {("square", f, s, 0.0): value for (f, s), value in SQUARE.items()}
    table |= {("hexagonal", f, s, 0.0): value for (f, s), value in HEXAGONAL.items()}
    table |= {("square", f, s, r): value for (f, s, r), value in SQUARE_INTERFACE.items()}
    table |= {("hexagonal", f, s, r): value for (f, s, r), value in HEXAGONAL_INTERFACE.items()}
    table |= {("square", f, s, 1 - 1 / s): 1.0 for f, s in ((0.2, 10.0), (0.5, 10.0), (0.7, 10.0), (0.5, 1e4))}
    table |= {(kind, f, s, 0.0): value for (kind, f, s), value in SPHERE.items()}
    table |= {(kind, f, s, r): value for (kind, f, s, r), value in SPHERE_INTERFACE.items()}
    table |= {("SC", f, 10.0, 0.9): 1.0 for f in (0.2, 0.3)}
    for (kind, fraction, sigma, resistance), exact in table.items():
        dimension = len(LATTICES[kind][0])
        neutral = exact == 1.0
        what = "neutral" if neutral else "cylinders" if dimension == 2 else "spheres"
        name = f"{what} {kind} f={fraction:g} s={SUPER if math.isinf(sigma) else sigma:g}"
        source = SPHERES if dimension == 3 else PERRINS
        cases.append(Case(
            name=name + (f" R={resistance:.4g}a" if resistance else ""), dimension=dimension, exact=exact,
            build=partial(inclusions, kind=kind, fraction=fraction, sigma=sigma, resistance=resistance),
            sizes=(24, 48, 96) if dimension == 3 else (112, 224, 448) if kind == "hexagonal" else (128, 256, 512),
            source="R = a (1 - 1/s) hides the inclusion" if neutral else KAPITZA if resistance else source,
            fraction=fraction))
    return cases


def _checkerboards() -> list[Case]:
    """Periodic images of squares. The order of convergence is that of the field in their corners."""
    case = partial(Case, dimension=2, sizes=(64, 128, 256), boundary="periodic", on_grid=True)
    cases = []
    for contrast in (2.0, 10.0):
        order = 8 / math.pi * math.atan(contrast**-0.5)  # of the energy of r**(order / 2) about a corner
        cases.append(case(
            name=f"checkerboard s={contrast:g}", exact=math.sqrt(contrast),
            build=partial(checkers, table=[[0, 1], [1, 0]], sigma={0: 1.0, 1: contrast}),
            source=f"sqrt(s1 s2), order {order:.2f}: Keller 1964, Dykhne 1970"))
    for axis, exact in (("x", 1.547294), ("y", 1.406631)):
        cases.append(case(
            name=f"checkerboard 1 5 | 2 0.5 along {axis}", exact=exact, axis=axis,
            build=partial(checkers, table=[[0, 1], [2, 3]], sigma={0: 1.0, 1: 5.0, 2: 2.0, 3: 0.5}),
            source="Craster and Obnosov 2001, Milton 2001"))
    squares = np.random.default_rng(0).integers(0, 2, (16, 16))
    for contrast in (2.0, 10.0):
        cases.append(case(
            name=f"duality, 16 x 16 random squares s={contrast:g}", exact=math.sqrt(contrast),
            build=partial(checkers, table=squares, sigma={0: 1.0, 1: contrast}),
            dual=partial(checkers, table=squares, sigma={0: contrast, 1: 1.0}),
            source="sx(s1, s2) sy(s2, s1) = s1 s2: Keller 1964"))
    return cases


def _constrictions() -> list[Case]:
    """Current through a small opening. Between the plates, the wall's far field is below 1e-5 of the whole."""
    cases = []
    for open_, sizes in ((0.1, (60, 120, 240)), (0.25, (64, 128, 256)), (0.5, (64, 128, 256))):
        both_sides = 2 * 2 * math.log(1 / math.sin(math.pi * open_ / 2)) / math.pi  # twice, for half of the strip
        cases.append(Case(
            name=f"slit a/b={open_:g}", dimension=2, exact=4 / (4 + both_sides), build=partial(slit, open_=open_),
            sizes=sizes, axis="y", on_grid=True, source="ln(1/sin(pi a/2b))/(pi sigma): conformal map"))
    psi = 0.3396  # 4 sigma a R of one side, for a/b = 0.5
    cases.append(Case(
        name="round contact in a tube a/b=0.5", dimension=3, exact=3 / (4 * (3 / math.pi + 2 * psi / (4 * 0.5))),
        build=partial(tube, open_=0.5), sizes=(12, 24, 48), axis="z", source="Bessel series; psi = 0.3396"))
    return cases


def _piecewise_linear() -> list[Case]:
    """Cases that the elements represent without error."""
    along = 1 / ((2 / 1.0 + 2 / 1e-3 + 2 / 7.0) / 6 + 2 * 20.0 + 30.0)
    across = (2 * 1.0 + 2 * 1e-3 + 2 * 7.0) / 6
    cases = [
        Case(name=f"layers in {ndim}-D along {name}", dimension=ndim, exact=exact, axis=name, on_grid=True,
             build=partial(layers, ndim=ndim, axis=axis), sizes=(12, 24, 48), source=source)
        for ndim, axis, name, exact, source in (
            (2, 0, "y", along, "in series"), (2, 0, "x", across, "in parallel"),
            (3, 0, "z", along, "in series"), (3, 2, "y", across, "in parallel"))]
    for ndim, count in ((2, 4), (3, 3)):
        cases.append(Case(
            name=f"bricks in {ndim}-D", dimension=ndim, exact=1 / (1 / 2.0 + (count - 1) * 0.25), on_grid=True,
            build=partial(bricks, ndim=ndim, count=count, sigma=2.0, resistance=0.25),
            sizes=(16, 32, 64) if ndim == 2 else (6, 12, 24), source="1/s + R/d"))
    return cases


CASES: list[Case] = [*_arrays(), *_checkerboards(), *_constrictions(), *_piecewise_linear()]
