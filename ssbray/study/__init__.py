"""The whole thread once, with its table: what a study claims, what came of it here, and how."""

from ssbray.study.run import run
from ssbray.study.spec import Study, load, parse

__all__ = ["Study", "load", "parse", "run"]
