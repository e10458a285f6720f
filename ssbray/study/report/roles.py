"""The three designs that are compared: what they are called, and how they look."""

from __future__ import annotations

from ssbray.campaign.report import style
from ssbray.study.run import BEST, BLIND, REFERENCE

ORDER = (BEST, BLIND, REFERENCE)
PLAIN = {BEST: "layer known", BLIND: "layer overlooked", REFERENCE: "uncoated reference"}
COLOURS = {BEST: style.COLOURS[1], BLIND: style.COLOURS[0], REFERENCE: style.GREY}
MARKERS = {BEST: "o", BLIND: "s", REFERENCE: "D"}  #: colour never carries a meaning alone
