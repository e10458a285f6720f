"""What decides a trained surrogate, besides its data and seed."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class TrainingConfig(BaseModel):
    """Options of `train`. Widths and rates are in standardised units: the training targets have deviation one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hidden: int = Field(24, ge=4, le=128, description="width of the states")
    steps: int = Field(2, ge=1, le=12, description="message-passing steps")
    members: int = Field(3, ge=1, le=16, description="independent fits whose posteriors are mixed")
    samples: int = Field(32, ge=2, le=512, description="posterior weight samples kept, over all members")
    batch_size: int = Field(16, ge=1, description="graphs per step")
    map_steps: int = Field(600, ge=1, description="steps of the maximum a posteriori start")
    map_rate: float = Field(1e-2, gt=0, description="its peak learning rate")
    map_noise: float = Field(0.1, gt=0, description="its noise, which fixes its weight decay")
    prior_gain: float = Field(1.0, gt=0, description="prior width of a weight times sqrt(fan in)")
    prior_centre: Literal["map", "zero"] = Field("map", description="where the variational stage centres the prior")
    centred_gain: float = Field(0.2, gt=0, description="prior_gain of the variational stage if it is centred on map")
    vi_steps: int = Field(150, ge=1, description="variational steps")
    vi_rate: float = Field(5e-3, gt=0, description="their learning rate, falling tenfold")
    guide_width: float = Field(0.5, gt=0, le=1, description="first width of the guide over that of the prior")
    kl_warm_up: float = Field(0.3, ge=0, lt=1, description="share of them in which KL grows to its weight, 1")
    calibration_fraction: float = Field(0.2, gt=0, lt=1, description="share of the groups that a member does not see")
    neighbours: int = Field(5, ge=1, description="neighbours in the novelty of a graph")

    @model_validator(mode="after")
    def _each_member_gives_a_spread(self) -> Self:
        if self.samples < 2 * self.members:
            raise ValueError(f"samples = {self.samples}: {self.members} members need at least two each")
        return self
