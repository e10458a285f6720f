"""The campaign's workers, learner and annealers on Ray. No science here, and no Ray anywhere below."""

from ssbray.cluster.annealers import TuneAnnealers
from ssbray.cluster.learner import RayLearner
from ssbray.cluster.session import connect
from ssbray.cluster.workers import RayWorkers

__all__ = ["RayLearner", "RayWorkers", "TuneAnnealers", "connect"]
