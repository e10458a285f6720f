"""Adaptive simulated annealing as pure ask and tell; knows no battery and no cluster."""

from ssbray.annealing.chain import Chain, Schedule, decide, exchange, propose, scale, start
from ssbray.annealing.search import AdaptiveSimulatedAnnealing, Candidate
from ssbray.annealing.space import Categorical, Dimension, Float, Int, Point, Space

__all__ = ["AdaptiveSimulatedAnnealing", "Candidate", "Categorical", "Chain", "Dimension", "Float", "Int", "Point",
           "Schedule", "Space", "decide", "exchange", "propose", "scale", "start"]
