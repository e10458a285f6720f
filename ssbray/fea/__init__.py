"""Finite-element ionic transport on phase maps."""

from ssbray.fea.krylov import packages
from ssbray.fea.solve import solve
from ssbray.fea.thin import Interfaces

__all__ = ["Interfaces", "packages", "solve"]
