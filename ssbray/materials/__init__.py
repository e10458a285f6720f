"""What the phases conduct and the interfaces resist: tables in which every number has a source."""

from ssbray.materials.arrhenius import STANDINGS, Arrhenius, Origin, Standing, activation, from_ln_sigma
from ssbray.materials.assign import Properties, assign
from ssbray.materials.charge import charge_balance, check_formula
from ssbray.materials.lookup import Materials
from ssbray.materials.phase import FAMILIES, Family, Interface, Phase
from ssbray.materials.tables import load

__all__ = [
    "FAMILIES", "STANDINGS", "Arrhenius", "Family", "Interface", "Materials", "Origin", "Phase", "Properties",
    "Standing", "activation", "assign", "charge_balance", "check_formula", "from_ln_sigma", "load",
]
