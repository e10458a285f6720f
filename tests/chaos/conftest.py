"""How often to kill: a few times by default, as often as SSBRAY_CHAOS_SEEDS says under `make chaos`."""

from __future__ import annotations

import os

SEEDS = int(os.environ.get("SSBRAY_CHAOS_SEEDS", "3"))
