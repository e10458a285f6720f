"""Micrograph to phase map, with probabilities: a residual U-Net, trained, tiled and calibrated."""
