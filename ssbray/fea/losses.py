"""Where the resistance sits: dissipated power and fields from the solved potential."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ssbray.domain import FloatArray
from ssbray.fea import forms
from ssbray.fea.assemble import Joints, ramp_on_faces
from ssbray.fea.mesh import Mesh

BLOCK = 500_000  #: elements at a time


def dissipated(mesh: Mesh, sigma: FloatArray, joint: Joints, correction: FloatArray, slope: FloatArray
               ) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Power lost in each element (n,), across each joint (m,) and along it (m,), relative.

    Only differences within an element count, so its first corner is taken off first: at high contrast
    the drop in a good conductor is lost in the digits of the potential itself.

    Parameters
    ----------
    mesh, sigma, joint : as assembled.
    correction : (n_dofs,) what is added to the ramp.
    slope : (ndim,) of the ramp, per pixel.
    """
    ndim = len(mesh.shape)
    ramp = forms.corners(ndim) @ slope
    in_pixels = np.empty(len(sigma))
    for begin in range(0, len(sigma), BLOCK):  # a volume's corner values would fill gigabytes at once
        part = slice(begin, begin + BLOCK)
        at_corners = correction[mesh.dofs[part]]
        in_pixels[part] = sigma[part] * _quadratic(at_corners - at_corners[:, :1] + ramp,
                                                   forms.conduction_matrix(ndim))
    jumps = correction[joint.dofs[:, 0]] - correction[joint.dofs[:, 1]]
    across = joint.conductance * np.where(joint.lumped, (jumps**2).mean(axis=1),
                                          _quadratic(jumps, forms.jump_matrix(ndim)))
    along = np.zeros(len(joint))
    if joint.sheet.any():
        on_faces = correction[joint.dofs.reshape(len(joint), -1)] + ramp_on_faces(joint, slope)
        along = joint.sheet * _quadratic(on_faces, forms.two_sided(ndim)[1])
    return in_pixels, across, along


def _quadratic(values: FloatArray, matrix: FloatArray) -> FloatArray:
    """Quadratic form of each row of `values`, (n, k) with (k, k) to (n,)."""
    return np.einsum("ni,ni->n", values @ matrix, values)


def fields(mesh: Mesh, correction: FloatArray, slope: FloatArray, sigma: FloatArray
           ) -> tuple[FloatArray, FloatArray]:
    """Correction (n,) and current density (n, ndim), in array axes, at the centres of the elements."""
    ndim = len(mesh.shape)
    bits = forms.corners(ndim)
    value = np.empty(len(sigma))
    current = np.empty((len(sigma), ndim))
    for begin in range(0, len(sigma), BLOCK):
        part = slice(begin, begin + BLOCK)
        at_corners = correction[mesh.dofs[part]]
        value[part] = at_corners.mean(axis=1)
        for axis in range(ndim):
            weight = (2 * bits[:, axis] - 1) / 2 ** (ndim - 1)
            current[part, axis] = -sigma[part] * ((at_corners - at_corners[:, :1]) @ weight + slope[axis])
    return value, current


def by_kind(labels: NDArray[np.uint8], pixels: NDArray[np.int64], in_pixels: FloatArray, pair: NDArray[np.int64],
            across: FloatArray, along: FloatArray) -> dict[str, float]:
    """Shares of the dissipated power by phase, and across and along interfaces by pair of phases; they sum to 1."""
    total = float(in_pixels.sum() + across.sum() + along.sum())
    by_phase = np.bincount(labels.reshape(-1)[pixels], weights=in_pixels, minlength=256)
    present = np.flatnonzero(np.bincount(labels.reshape(-1)))
    shares = {f"phase:{label}": float(by_phase[label] / total) for label in present}
    code, place = np.unique(pair[:, 0] * 256 + pair[:, 1], return_inverse=True)
    for kind, loss in (("interface", across), ("sheet", along)):
        for number, share in zip(code, np.bincount(place.reshape(-1), weights=loss, minlength=len(code)), strict=True):
            if share > 0 or kind == "interface":
                shares[f"{kind}:{number // 256}:{number % 256}"] = float(share / total)
    return shares
