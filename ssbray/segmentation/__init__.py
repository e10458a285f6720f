"""Micrograph to phase map, with probabilities: a residual U-Net, trained, tiled and calibrated."""

from ssbray.segmentation.model import Segmenter
from ssbray.segmentation.segmentation import Segmentation

__all__ = ["Segmentation", "Segmenter"]
