"""What a model says of one micrograph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Segmentation:
    """Probabilities of the phases and of lines and defects, pixel by pixel."""

    classes: tuple[str, ...]
    probability: NDArray[np.float32]  #: (C, H, W), calibrated; they sum to one
    doubt: NDArray[np.float32]  #: (H, W) mutual information of label and net (or side of one net) [nat]
    heads: dict[str, NDArray[np.float16]]  #: `net.HEADS` -> (H, W), 0..1
    pixel_size_nm: float
    calibrated: bool  #: whether a temperature was fitted on specimens that the nets had not seen
    nets: int
    notes: tuple[str, ...] = ()  #: what the user should know: inputs missing, scale changed

    @property
    def labels(self) -> NDArray[np.uint8]:
        """Most probable class of each pixel, (H, W)."""
        return self.probability.argmax(axis=0).astype(np.uint8)

    @property
    def entropy(self) -> NDArray[np.float32]:
        """Predictive entropy, (H, W) [nat]."""
        share = np.maximum(self.probability, 1e-12)
        return -(share * np.log(share)).sum(axis=0)
