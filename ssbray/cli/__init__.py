"""The command line: reads, converts, calls, writes. No science."""

from ssbray.cli.main import main

__all__ = ["main"]
