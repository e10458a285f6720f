"""Where the resistance sits: dissipated power and fields from the solved potential."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ssbray.domain import FloatArray
from ssbray.fea import forms
from ssbray.fea.assemble import Joints
from ssbray.fea.mesh import Mesh

BLOCK = 1_000_000  #: elements at a time


def dissipated(elements: Mesh, sigma: FloatArray, joint: Joints, potential: FloatArray
               ) -> tuple[FloatArray, FloatArray]:
    """Power lost in each element (n,) and in each joint (m,), relative, for a potential (n_dofs,).

    Only differences within an element count, so its first corner is taken off first: at high contrast
    the drop in a good conductor is lost in the digits of the potential itself.
    """
    ndim = len(elements.shape)
    jumps = potential[joint.dofs[:, 0]] - potential[joint.dofs[:, 1]]
    in_pixels = np.empty(len(sigma))
    for begin in range(0, len(sigma), BLOCK):  # a volume's corner values would fill gigabytes at once
        part = slice(begin, begin + BLOCK)
        at_corners = potential[elements.dofs[part]]
        in_pixels[part] = sigma[part] * _quadratic(at_corners - at_corners[:, :1], forms.conduction_matrix(ndim))
    return (in_pixels,
            joint.conductance * _quadratic(jumps, forms.jump_matrix(ndim)))


def _quadratic(values: FloatArray, matrix: FloatArray) -> FloatArray:
    """Quadratic form of each row of `values`, (n, k) with (k, k) to (n,)."""
    return np.einsum("ni,ni->n", values @ matrix, values)


def shares(labels: NDArray[np.uint8], pixels: NDArray[np.int64], loss_pixels: FloatArray, joint: Joints,
            loss_joints: FloatArray, total: float) -> dict[str, float]:
    """Shares of the dissipated power by phase and by thin interface; they sum to one."""
    by_phase = np.bincount(labels.reshape(-1)[pixels], weights=loss_pixels, minlength=256)
    present = np.flatnonzero(np.bincount(labels.reshape(-1)))
    shares = {f"phase:{label}": float(by_phase[label] / total) for label in present}
    code = joint.pair[:, 0] * 256 + joint.pair[:, 1]
    for pair in np.unique(code):
        shares[f"interface:{pair // 256}:{pair % 256}"] = float(loss_joints[code == pair].sum() / total)
    return shares


def fields(elements: Mesh, potential: FloatArray, sigma: FloatArray, loss: FloatArray, pixel_m: float
            ) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Potential, current density (x, y[, z]) and loss density at pixel centres, for 1 V between the planes."""
    ndim = len(elements.shape)
    at_corners = potential[elements.dofs]
    image = np.full(elements.shape, np.nan)
    image.reshape(-1)[elements.pixels] = at_corners.mean(axis=1)
    current = np.zeros((ndim, *elements.shape))
    bits = forms.corners(ndim)
    for component in range(ndim):
        upper = bits[:, ndim - 1 - component] == 1
        gradient = (at_corners[:, upper].mean(axis=1) - at_corners[:, ~upper].mean(axis=1)) / pixel_m
        current[component].reshape(-1)[elements.pixels] = -sigma * gradient
    density = np.zeros(elements.shape)
    density.reshape(-1)[elements.pixels] = loss / pixel_m**2
    return image, current, density
