"""Micrographs: read from the files of microscopes, or rendered from phase maps; frames brought into register."""

from ssbray.microscope.classes import CLASSES, solid, visible
from ssbray.microscope.knobs import Knobs, Settings, load_knobs
from ssbray.microscope.read import read, signals
from ssbray.microscope.register import align, average, eds_shift, synchronise
from ssbray.microscope.rendering import Rendering, render
from ssbray.microscope.signal import Signal
from ssbray.microscope.write import write

__all__ = ["CLASSES", "Knobs", "Rendering", "Settings", "Signal", "align", "average", "eds_shift", "load_knobs", "read",
           "render", "signals", "solid", "synchronise", "visible", "write"]
