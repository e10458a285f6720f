"""Finite-element ionic transport on phase maps."""

from ssbray.fea.krylov import packages
from ssbray.fea.solve import solve

__all__ = ["packages", "solve"]
