"""The virtual microscope: phase maps to micrographs, one pure function per effect."""

from ssbray.microscope.rendering.render import Rendering, render

__all__ = ["Rendering", "render"]
