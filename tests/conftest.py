"""Settings of the whole test run."""

from __future__ import annotations

from ssbray.cluster import session

session.prepare()  # before any test module imports Ray
