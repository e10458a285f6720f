"""How far a map, or an answer, is from what is known: scores, the p-values that make them comparable, and reasons."""

from ssbray.anomaly.descriptors import describe, loss_by_phase
from ssbray.anomaly.pvalues import joint, p_values, rejected, surprise
from ssbray.anomaly.reasons import BROKEN, carriers, disagreement
from ssbray.anomaly.reference import Reference
from ssbray.anomaly.report import AnomalyReport, report
from ssbray.anomaly.scores import inconsistency, literal, novelty, own_novelty, standardised

__all__ = ["BROKEN", "AnomalyReport", "Reference", "carriers", "describe", "disagreement", "inconsistency", "joint",
           "literal", "loss_by_phase", "novelty", "own_novelty", "p_values", "rejected", "report", "standardised",
           "surprise"]
