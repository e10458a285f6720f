"""What decides a trained surrogate, besides its data and seed."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class TrainingConfig(BaseModel):
    """Options of `train`. Widths and rates are in standardised units: the training targets have deviation one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hidden: int = Field(24, ge=4, le=128, description="width of the states")
    steps: int = Field(2, ge=1, le=12, description="message-passing steps")
    members: int = Field(8, ge=1, le=32, description="independent fits whose posteriors are mixed")
    samples: int = Field(32, ge=2, le=512, description="posterior weight samples kept, over all members")
    batch_size: int = Field(32, ge=1, description="graphs per step")
    noise: Literal["learned", "constant"] = Field("learned", description="whether noise differs from graph to graph")
    share_counts: float = Field(1000.0, ge=0, description="draws that a graph's shares of the dissipation count as")
    map_epochs: float = Field(60, gt=0, description="passes over the data of the maximum a posteriori start")
    map_steps: int | None = Field(None, ge=1, description="its steps; default: from map_epochs, at least 600")
    map_rate: float = Field(1e-2, gt=0, description="its peak learning rate")
    map_noise: float = Field(0.3, gt=0, description="its common noise, which fixes its weight decay")
    prior_gain: float = Field(1.0, gt=0, description="prior width of a weight times sqrt(fan in)")
    prior_centre: Literal["map", "zero"] = Field("map", description="where the variational stage centres the prior")
    centred_gain: float = Field(0.2, gt=0, description="prior_gain of the variational stage if it is centred on map")
    vi_epochs: float = Field(15, gt=0, description="passes of the variational stage")
    vi_steps: int | None = Field(None, ge=1, description="its steps; default: from vi_epochs, at least 150")
    vi_rate: float = Field(5e-3, gt=0, description="its learning rate, falling tenfold")
    guide_width: float = Field(0.5, gt=0, le=1, description="first width of the guide over that of the prior")
    kl_warm_up: float = Field(0.3, ge=0, lt=1, description="share of its steps in which KL grows to its weight, 1")
    calibration_fraction: float = Field(0.25, gt=0, le=0.5, description="share of the groups a member does not see")
    neighbours: int = Field(5, ge=1, description="neighbours in the novelty of a graph")

    def duration(self, graphs: int) -> tuple[int, int]:
        """Steps of the maximum a posteriori start and of the variational stage for so many graphs."""
        def steps(given: int | None, epochs: float, least: int) -> int:
            return given or max(least, round(epochs * graphs / min(self.batch_size, graphs)))

        return steps(self.map_steps, self.map_epochs, 600), steps(self.vi_steps, self.vi_epochs, 150)

    @model_validator(mode="after")
    def _each_member_gives_a_spread(self) -> Self:
        if self.samples < 2 * self.members:
            raise ValueError(f"samples = {self.samples}: {self.members} members need at least two each")
        return self
