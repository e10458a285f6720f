"""Closed-loop campaigns: spec, ledger, loop, report. Pure: what runs elsewhere is handed in."""

from ssbray.campaign.ledger import Ledger
from ssbray.campaign.listeners import Listener, Listeners
from ssbray.campaign.loop import run, solves_planned
from ssbray.campaign.pause import Paused, PauseRequest
from ssbray.campaign.spec import Spec, load, parse
from ssbray.campaign.task import Outcome, Task, evaluate, section
from ssbray.campaign.walk import Plan, StepRecord, walk
from ssbray.campaign.workers import Annealers, Learner, SerialAnnealers, SerialWorkers, Workers

__all__ = ["Annealers", "Learner", "Ledger", "Listener", "Listeners", "Outcome", "PauseRequest", "Paused", "Plan",
           "SerialAnnealers", "SerialWorkers", "Spec", "StepRecord", "Task", "Workers", "evaluate", "load", "parse",
           "run", "section", "solves_planned", "walk"]
