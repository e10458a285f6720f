"""Campaigns in MLflow: a run per campaign, a child per chain, steps as metrics, the report as artefacts.

Tracking watches. What is to be said goes to a spool on disk first and to MLflow when it is there; no
state of the server, down, dying or slow, stops a campaign or changes it.
"""

from ssbray.tracking.contest import Decision, Scores
from ssbray.tracking.listener import MLflowTracker
from ssbray.tracking.registry import SEGMENTER, SURROGATE, Version, fetch, promote, register
from ssbray.tracking.sender import Delivery, sync
from ssbray.tracking.store import store_uri

__all__ = ["SEGMENTER", "SURROGATE", "Decision", "Delivery", "MLflowTracker", "Scores", "Version", "fetch", "promote",
           "register", "store_uri", "sync"]
