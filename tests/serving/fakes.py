"""A backend that answers at once, late, or not at all."""

from __future__ import annotations

import asyncio

from ssbray.service.refusal import Refusal

ANSWER = {"model_version": "fake", "sigma_eff_S_per_cm": {"mean": 1e-5, "std": 2e-6, "interval90": [7e-6, 1.4e-5]},
          "anomaly": {"score": 1.0, "p_value": 0.5, "flag": False, "reasons": []}, "phase_fraction": {"LLZO": 1.0},
          "in_domain": False}
MODEL = {"name": "fake", "version": "fake", "release": "r", "sha256": {}, "segmenter": None, "surrogate": None,
         "search": None, "registry": {"segmenter": None, "surrogate": None}}


class Fake:
    """What the front sees of models."""

    def __init__(self, delay=0.0, error=None, up=True):
        self.delay, self.error, self.up = delay, error, up
        self.working = self.most = self.finished = self.cancelled = 0
        self.seen = []

    async def image(self, micrograph, wishes):
        self.seen.append((micrograph, wishes))
        return await self._answer()

    async def design(self, parameters):
        self.seen.append(parameters)
        return await self._answer()

    async def model(self):
        if not self.up:
            raise Refusal(503, "unavailable", None, "not yet", 5)
        return MODEL

    async def _answer(self):
        self.working += 1
        self.most = max(self.most, self.working)
        try:
            await asyncio.sleep(self.delay)
            if self.error is not None:
                raise self.error
            self.finished += 1
            return dict(ANSWER)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.working -= 1
