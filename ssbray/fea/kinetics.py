"""Charge transfer where electrolyte touches electrode: the current density that a jump of the potential drives.

Inside, potentials are in thermal voltages RT/F and current densities in exchange current densities
i0. The equilibrium potential is absorbed: the jump counts from equilibrium, and is positive where
charge goes from the electrolyte into the electrode.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssbray.domain import FloatArray
from ssbray.errors import InputError, nearest
from ssbray.fea import forms
from ssbray.units import BOLTZMANN_EV_PER_K

KINETICS = ("linear", "butler-volmer")
STEEPEST = 200.0  #: exponent beyond which the exponential goes on as its tangent, so that no trial step overflows
MAX_STEPS = 100  #: of the scalar Newton, which halves its bracket where it does not do better


@dataclass(frozen=True, kw_only=True)
class Contact:
    """How charge passes from electrolyte to electrode, per true area of contact."""

    exchange_current: float  #: i0 [A/m2]
    alpha: float = 0.5  #: transfer coefficient of the direction from the electrolyte into the electrode
    layer: float = 0.0  #: resistance of what lies between, in series [ohm m2]; `math.inf` blocks
    kinetics: str = "butler-volmer"  #: or "linear", its tangent at equilibrium

    def __post_init__(self) -> None:
        if not (math.isfinite(self.exchange_current) and self.exchange_current > 0):
            raise InputError("exchange_current", self.exchange_current, "must be positive and finite")
        if not 0 < self.alpha < 1:
            raise InputError("alpha", self.alpha, "a transfer coefficient lies between 0 and 1, e.g. 0.5")
        if not self.layer >= 0:
            raise InputError("layer", self.layer, "a resistance is zero or more")
        if self.kinetics not in KINETICS:
            raise InputError("kinetics", self.kinetics, nearest(self.kinetics, KINETICS))

    def resistance(self, temperature: float) -> float:
        """Charge-transfer resistance at equilibrium, R T / (F i0) [ohm m2], at a temperature [K]."""
        return thermal_voltage(temperature) / self.exchange_current


def thermal_voltage(temperature: float) -> float:
    """R T / F [V] at a temperature [K].

    >>> round(thermal_voltage(298.15) * 1e3, 4)
    25.6926
    """
    return BOLTZMANN_EV_PER_K * temperature  # k in eV/K is R / F in V/K


def rate(eta: FloatArray, alpha: float | FloatArray) -> tuple[FloatArray, FloatArray]:
    """Butler-Volmer: ``exp(alpha eta) - exp(-(1 - alpha) eta)``, and its derivative, for overpotentials of any shape.

    Newman and Thomas-Alyea 2004, Electrochemical Systems, 3rd ed., eq. 8.23, in reduced units.
    """
    forth, back = alpha * eta, -(1 - alpha) * eta
    grown, shrunk = np.exp(np.minimum(forth, STEEPEST)), np.exp(np.minimum(back, STEEPEST))
    value = (np.expm1(np.minimum(forth, STEEPEST)) + grown * np.maximum(forth - STEEPEST, 0)
             - np.expm1(np.minimum(back, STEEPEST)) - shrunk * np.maximum(back - STEEPEST, 0))
    return value, alpha * grown + (1 - alpha) * shrunk


def overpotential(jump: FloatArray, layer: FloatArray, alpha: float) -> FloatArray:
    """Solve ``jump = eta + layer * rate(eta)``: what is left of a jump for charge transfer behind a layer.

    Newton from above within a bracket, halved where a step would leave it; all entries at once.

    Parameters
    ----------
    jump : of the potential, any shape.
    layer : resistance of the layer over R T / (F i0), to broadcast with `jump`.
    """
    jump, layer = np.broadcast_arrays(np.asarray(jump, dtype=float), layer)
    if not layer.any():
        return jump.copy()
    size, sign = np.abs(jump), np.where(jump < 0, -1.0, 1.0)
    forward = np.where(jump < 0, 1 - alpha, alpha)  # a negative jump is a positive one with the directions swapped
    with np.errstate(over="ignore"):  # the jump itself bounds where there is no layer, or next to none
        ratio = np.divide(size, layer, where=layer > 0, out=np.full(size.shape, np.inf))
    bound = np.log1p(ratio)
    high = np.where(bound < STEEPEST, np.minimum(size, bound / forward), size)
    low, eta = np.zeros(size.shape), high.copy()
    for _ in range(MAX_STEPS):
        value, slope = rate(eta, forward)
        excess = eta + layer * value - size
        high, low = np.where(excess > 0, eta, high), np.where(excess > 0, low, eta)
        step = eta - excess / (1 + layer * slope)
        step = np.where((step >= low) & (step <= high), step, (low + high) / 2)
        done = np.abs(step - eta) <= 4 * np.finfo(float).eps * size
        eta = step
        if done.all():
            break
    return sign * eta


@dataclass(frozen=True, eq=False, kw_only=True)
class Surface:
    """The faces of contact, with 2-point Gauss quadrature per direction: exact for a jump with a linear law."""

    dofs: NDArray[np.int32]  #: (n, 2, 2**(ndim-1)) unknowns on the side of the electrolyte, then of the electrode
    weight: FloatArray  #: (n,) relative conductance of charge transfer at equilibrium, per pixel face
    layer: FloatArray  #: (n,) resistance of the layer over that of charge transfer
    alpha: float
    linear: bool

    @property
    def shapes(self) -> FloatArray:
        """Corner functions at the points of quadrature, (q, 2**(ndim-1)); each point weighs 1 / q."""
        bits = forms.corners(int(self.dofs.shape[2]).bit_length() - 1)
        place = 0.5 + (bits - 0.5) / math.sqrt(3)
        return np.where(bits[None] == 1, place[:, None], 1 - place[:, None]).prod(axis=2)

    def jump(self, values: FloatArray) -> FloatArray:
        """Electrolyte less electrode at the points of quadrature (n, q), of unknowns (n_dofs,)."""
        return (values[self.dofs[:, 0]] - values[self.dofs[:, 1]]) @ self.shapes.T

    def law(self, jump: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Overpotential, current density and its derivative by the jump, each (n, q)."""
        layer = self.layer[:, None]
        if self.linear:
            slope = np.broadcast_to(1 / (1 + layer), jump.shape)
            return jump * slope, jump * slope, slope
        eta = overpotential(jump, layer, self.alpha)
        current, slope = rate(eta, self.alpha)
        return eta, current, slope / (1 + layer * slope)

    def force(self, values: FloatArray) -> FloatArray:
        """Residual ``int j [v]`` of every unknown, (n_dofs,)."""
        _, current, _ = self.law(self.jump(values))
        out = (self.weight[:, None] * current @ self.shapes / len(self.shapes)).reshape(-1)
        total = np.zeros(len(values))
        np.add.at(total, self.dofs[:, 0].reshape(-1), out)
        np.subtract.at(total, self.dofs[:, 1].reshape(-1), out)
        return total

    def tangent(self, values: FloatArray) -> FloatArray:
        """Derivative of the force, face by face, (n, 2k, 2k): the electrolyte's corners, then the electrode's."""
        _, _, slope = self.law(self.jump(values))
        signed = np.concatenate([self.shapes, -self.shapes], axis=1)
        local: FloatArray = np.einsum("nq,qa,qb->nab", self.weight[:, None] * slope / len(signed), signed, signed)
        return local

    def dissipated(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Power lost to charge transfer and to the layer, (n,) each, relative."""
        eta, current, _ = self.law(self.jump(values))
        return (self.weight * (current * eta).mean(axis=1), self.weight * self.layer * (current**2).mean(axis=1))
