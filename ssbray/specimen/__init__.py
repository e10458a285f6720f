"""Process parameters to virtual specimens: laws, structure, and phase maps at any pixel size."""

from ssbray.specimen.laws import Constant, ProcessLaws, constants
from ssbray.specimen.parameters import ProcessParameters
from ssbray.specimen.specimen import Specimen, assemble, make
from ssbray.specimen.structure import Layer, Structure, structure

__all__ = [
    "Constant", "Layer", "ProcessLaws", "ProcessParameters", "Specimen", "Structure", "assemble", "constants", "make",
    "structure",
]
