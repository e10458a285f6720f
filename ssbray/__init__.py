"""Ionic transport through solid-state battery interfaces, from micrograph to processing."""

__version__ = "0.1.0"
