"""A picture of one solve."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssbray import units
from ssbray.domain import FloatArray, PhaseMap, TransportSolution
from ssbray.files import write_bytes

ARROWS = 72  #: points along the longer side of the grid on which streamlines are drawn
MICROMETRES_FROM = 3000.0  #: nm of side length from which axes are in micrometres
SLENDER = 30  #: height of a colour bar over its width
NOTHING = "0.75"  #: grey where no current can reach
DECADES = 1e-4  #: of a logarithmic colour scale, below its top


@dataclass(frozen=True, eq=False, kw_only=True)
class Plane:
    """What of the map is shown: all of a section, the middle plane of a volume."""

    across: int | None  #: array axis that is cut, None in a section
    names: tuple[str, str]  #: horizontal and vertical direction
    note: str

    def of(self, image: NDArray[Any]) -> NDArray[Any]:
        """Cut an image."""
        return image if self.across is None else np.take(image, image.shape[self.across] // 2, axis=self.across)


def choose(phase_map: PhaseMap, axis: str) -> Plane:
    """Cut a volume through its middle such that the current runs in the plane."""
    if phase_map.labels.ndim == 2:
        return Plane(across=None, names=("x", "y"), note="")
    if axis == "z":
        return Plane(across=1, names=("x", "z"), note=" (shown: the middle plane in y)")
    return Plane(across=0, names=("x", "y"), note=" (shown: the middle plane in z)")


def draw(phase_map: PhaseMap, solution: TransportSolution, path: Path, bottleneck: FloatArray,
         hot_spots: Sequence[dict[str, float]] = ()) -> None:
    """Labels, potential with streamlines, current density, and where the resistance sits.

    Parameters
    ----------
    bottleneck : `fea.where.bottleneck`: loss density over its mean, faces included.
    hot_spots : `fea.where.hot_spots`, numbered in a section from 1.
    """
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    plane = choose(phase_map, solution.axis)
    labels = plane.of(phase_map.labels)
    height, width = labels.shape
    unit = (1e3, "µm") if max(height, width) * phase_map.pixel_size_nm >= MICROMETRES_FROM else (1.0, "nm")
    pixel = phase_map.pixel_size_nm / unit[0]
    extent = (0.0, width * pixel, height * pixel, 0.0)
    tall = height / width
    rows, columns = (2, 2) if 0.4 < tall < 1.8 else ((1, 4) if tall >= 1.8 else (4, 1))
    side = 4.4 if rows == 2 else 7.0 if rows == 1 else 9.0
    wide = side / max(tall, 1.0) + 1.9 if rows < 4 else side
    high = side * min(tall, 1.0) + 0.9
    figure = Figure(figsize=(max(wide, 3.4) * columns, max(high, 1.7) * rows + 0.4), layout="constrained")
    FigureCanvasAgg(figure)
    panels: Any = figure.subplots(rows, columns, sharex=True, sharey=True).reshape(-1)

    present = [int(label) for label in np.unique(labels)]
    image = panels[0].imshow(np.searchsorted(present, labels), extent=extent, interpolation="nearest",
                             cmap=colormaps["cividis"].resampled(len(present)), vmin=-0.5, vmax=len(present) - 0.5)
    bar = figure.colorbar(image, ax=panels[0], aspect=SLENDER, ticks=range(len(present)))
    bar.ax.set_yticklabels([phase_map.phases[label] for label in present])
    panels[0].set_title("label")
    image = panels[1].imshow(plane.of(solution.potential), extent=extent,
                             cmap=colormaps["viridis"].with_extremes(bad=NOTHING))
    figure.colorbar(image, ax=panels[1], aspect=SLENDER)
    where = "per cell" if solution.boundary == "periodic" else "applied"
    panels[1].set_title(f"potential (V) at 1 V {where}{', lines of current' if solution.percolates else ''}")
    if solution.percolates:
        _streamlines(panels[1], phase_map, solution, plane, pixel)
    current = plane.of(np.linalg.norm(solution.current_density, axis=0)) * 1e-4
    _logarithmic(figure, panels[2], current, extent, "current density (A/cm²) at 1 V")
    _logarithmic(figure, panels[3], plane.of(bottleneck), extent, "bottlenecks: loss density / mean")
    if plane.across is None:
        _mark(panels[3], hot_spots, unit[0])
    for number, panel in enumerate(panels):
        panel.set_xlim(extent[0], extent[1])
        panel.set_ylim(extent[2], extent[3])
        if number // columns == rows - 1:
            panel.set_xlabel(f"{plane.names[0]} ({unit[1]})")
        if number % columns == 0:
            panel.set_ylabel(f"{plane.names[1]} ({unit[1]})")
    figure.suptitle(_title(solution) + plane.note)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    write_bytes(path, buffer.getvalue())


def _title(solution: TransportSolution) -> str:
    if not solution.percolates:
        return f"does not conduct along {solution.axis}: {solution.reason}"
    value = solution.sigma_eff if solution.best is None else solution.best
    return f"effective conductivity along {solution.axis}: {units.S_per_cm(value):.4g} S/cm"


def _logarithmic(figure: Any, panel: Any, field: FloatArray, extent: tuple[float, ...], title: str) -> None:
    """Show what is positive, on grey where nothing is."""
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm

    positive = field[field > 0]
    top = float(np.percentile(positive, 99.9)) if len(positive) else 1.0
    bottom = max(top * DECADES, min(float(np.percentile(positive, 0.5)), top / 3) if len(positive) else 0.1)
    colours = colormaps["magma"].with_extremes(bad=NOTHING)
    image = panel.imshow(np.where(field > 0, field, np.nan), extent=extent, cmap=colours, norm=LogNorm(bottom, top))
    figure.colorbar(image, ax=panel, aspect=SLENDER, extend="both", extendfrac=0.03)
    panel.set_title(title)


def _streamlines(panel: Any, phase_map: PhaseMap, solution: TransportSolution, plane: Plane, pixel: float) -> None:
    """Lines of current from block means on a coarse grid."""
    from matplotlib.patheffects import withStroke

    horizontal, vertical = (plane.of(solution.current_density["xyz".index(name)]) for name in plane.names)
    step = max(1, round(max(horizontal.shape) / ARROWS))
    u, v = (_blocks(part, step) for part in (horizontal, vertical))
    if min(u.shape) < 3:
        return
    speed = np.hypot(u, v)
    stopped = speed <= 1e-6 * speed.max()
    x, y = (step * pixel * (np.arange(n) + 0.5) for n in u.shape[::-1])
    lines = panel.streamplot(x, y, np.ma.array(u, mask=stopped), np.ma.array(v, mask=stopped), color="white",
                             linewidth=0.8, arrowsize=0.8, density=1.1)
    lines.lines.set_path_effects([withStroke(linewidth=1.8, foreground="0.25")])  # white alone drowns in yellow


def _blocks(field: FloatArray, step: int) -> FloatArray:
    """Means over squares of `step` pixels; the last go on as the map ends."""
    full = np.pad(field, [(0, -n % step) for n in field.shape], mode="edge")
    height, width = (n // step for n in full.shape)
    return full.reshape(height, step, width, step).mean(axis=(1, 3))


def _mark(panel: Any, hot_spots: Sequence[dict[str, float]], unit: float) -> None:
    """Number the most resistive places."""
    from matplotlib.patheffects import withStroke

    for number, spot in enumerate(hot_spots, start=1):
        place = spot["x_nm"] / unit, spot["y_nm"] / unit
        panel.plot(*place, "o", markersize=11, markerfacecolor="none", markeredgecolor="deepskyblue",
                   clip_on=False)
        right = place[0] > panel.get_images()[0].get_extent()[1] * 0.93  # no room for the number beside it
        panel.annotate(f"{number}", place, xytext=(-7 if right else 7, 5), textcoords="offset points", color="white",
                       fontsize=9, ha="right" if right else "left",
                       path_effects=[withStroke(linewidth=2, foreground="black")])
