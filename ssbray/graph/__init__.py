"""Phase map -> feature graph, and the resistor network on it."""

from ssbray.graph.construct import build
from ssbray.graph.store import load, save

__all__ = ["build", "load", "save"]
