"""Adaptive simulated annealing as pure ask and tell; knows no battery and no cluster."""

from ssbray.annealing.archive import Archive, Record
from ssbray.annealing.chain import Chain, Schedule, decide, exchange, propose, scale, start
from ssbray.annealing.dimension import Categorical, Dimension, Float, Int
from ssbray.annealing.search import AdaptiveSimulatedAnnealing, Candidate
from ssbray.annealing.space import Point, Space

__all__ = ["AdaptiveSimulatedAnnealing", "Archive", "Candidate", "Categorical", "Chain", "Dimension", "Float", "Int",
           "Point", "Record", "Schedule", "Space", "decide", "exchange", "propose", "scale", "start"]
