"""Bringing into register: the frames of a stack with each other, the maps of counts with the image."""

from ssbray.microscope.register_align import Alignment, align
from ssbray.microscope.register_average import Average, average
from ssbray.microscope.register_eds import EdsShift, eds_shift
from ssbray.microscope.register_synchronise import synchronise

__all__ = ["Alignment", "Average", "EdsShift", "align", "average", "eds_shift", "synchronise"]
