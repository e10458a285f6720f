"""What a microscopist asks of a phase map: lengths, thicknesses, sizes."""

from ssbray.measure.measurements import Measurements, measure
from ssbray.measure.roles import Roles
from ssbray.measure.statistics import distribution, interval

__all__ = ["Measurements", "Roles", "distribution", "interval", "measure"]
