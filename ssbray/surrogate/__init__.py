"""Bayesian recurrent graph convolution: feature graph -> effective conductivity, with its uncertainty."""

from ssbray.surrogate.config import TrainingConfig
from ssbray.surrogate.evaluation import evaluate
from ssbray.surrogate.examine import Examined
from ssbray.surrogate.model import Surrogate
from ssbray.surrogate.splits import split
from ssbray.surrogate.training import train

__all__ = ["Examined", "Surrogate", "TrainingConfig", "evaluate", "split", "train"]
