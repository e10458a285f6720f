"""Campaigns in MLflow: a run per campaign, a child per chain, steps as metrics, the report as artefacts.

Tracking watches. What is to be said goes to a spool on disk first and to MLflow when it is there; no
state of the server, down, dying or slow, stops a campaign or changes it.
"""

from ssbray.tracking.listener import MLflowTracker
from ssbray.tracking.sender import Delivery, sync

__all__ = ["Delivery", "MLflowTracker", "sync"]
