"""A picture of one solve."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from ssbray import units
from ssbray.campaign.files import write_bytes
from ssbray.domain import PhaseMap, TransportSolution


def draw(phase_map: PhaseMap, solution: TransportSolution, path: Path) -> None:
    """Labels, potential, current density and loss density side by side; the middle plane of a volume."""
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    def plane(image: np.ndarray) -> np.ndarray:
        return image if image.ndim == 2 else image[image.shape[0] // 2]

    labels = plane(phase_map.labels)
    height, width = labels.shape
    extent = (0.0, width * phase_map.pixel_size_nm, height * phase_map.pixel_size_nm, 0.0)
    current = plane(np.linalg.norm(solution.current_density, axis=0)) * 1e-4
    loss = plane(solution.dissipation) * 1e-6
    figure = Figure(figsize=(16, 1.2 + 3.6 * min(2.0, max(0.5, height / width))), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.subplots(1, 4)
    present = [int(label) for label in np.unique(labels)]
    colours = {label: k for k, label in enumerate(present)}
    image = axes[0].imshow(np.vectorize(colours.get)(labels), extent=extent, interpolation="nearest",
                           cmap=colormaps["cividis"].resampled(len(present)), vmin=-0.5, vmax=len(present) - 0.5)
    bar = figure.colorbar(image, ax=axes[0], ticks=range(len(present)), shrink=0.7)
    bar.ax.set_yticklabels([phase_map.phases[label] for label in present])
    axes[0].set_title("label")
    image = axes[1].imshow(plane(solution.potential), extent=extent, cmap="viridis")
    figure.colorbar(image, ax=axes[1], shrink=0.7)
    axes[1].set_title("potential (V), 1 V applied")
    for axis, field, title in ((axes[2], current, "current density (A/cm²)"), (axes[3], loss, "loss density (W/cm³)")):
        top = float(np.percentile(field[field > 0], 99.9)) if (field > 0).any() else 1.0
        norm = LogNorm(top * 1e-4, top) if (field > 0).any() else None
        image = axis.imshow(np.where(field > 0, field, np.nan), extent=extent, cmap="magma", norm=norm)
        figure.colorbar(image, ax=axis, extend="both", shrink=0.7)
        axis.set_title(title)
    for axis in axes:
        axis.set_xlabel("x (nm)")
    axes[0].set_ylabel("y (nm)" if phase_map.labels.ndim == 2 else "y (nm), middle plane in z")
    sigma = units.S_per_cm(solution.sigma_eff)
    figure.suptitle(f"effective conductivity along {solution.axis}: {sigma:.4g} S/cm" if solution.percolates
                    else f"does not conduct along {solution.axis}: {solution.reason}")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    write_bytes(path, buffer.getvalue())
