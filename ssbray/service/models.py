"""The two models as they answer: loaded, checked, tried on a canary, and able to say what they are."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ssbray import graph, materials, specimen
from ssbray.domain import Micrograph
from ssbray.errors import InputError
from ssbray.service.answer import foretell
from ssbray.service.asked import Question, Seen, Wishes
from ssbray.service.settings import Settings

SCORES = ("scores", "held_out", "iou", "mean_iou", "nll", "crps", "mape_percent", "coverage", "coverage90", "ece")


def files_of(directory: str | Path) -> dict[str, str]:
    """Name -> sha256 of the files of a model."""
    place = Path(directory)
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(place.glob("*"))
             if path.suffix in (".json", ".safetensors", ".yaml")} if place.is_dir() else {}
    if not found:
        raise InputError("model", str(directory), "holds no model: give a directory that `ssbray train` wrote")
    return found


def digest_of(directory: str | Path) -> str:
    """sha256 of the files of a model together."""
    return hashlib.sha256(repr(files_of(directory)).encode()).hexdigest()


def expected(directory: str, digest: str | None) -> dict[str, str]:
    """The files of a model that has been loaded; RuntimeError where they are not those that were to be loaded."""
    found = files_of(directory)
    if digest is not None and hashlib.sha256(repr(found).encode()).hexdigest() != digest:
        raise RuntimeError(f"the files in {directory} have changed since the endpoint was told to serve them")
    return found


def release(settings: Settings) -> str:
    """Twelve digits for models and spec: what belongs together has the same. InputError where a file is missing."""
    digest = hashlib.sha256()
    for path in (settings.segmenter, settings.surrogate):
        digest.update(b"none" if path is None else digest_of(path).encode())
    if settings.spec is not None:
        try:
            digest.update(Path(settings.spec).read_bytes())
        except OSError as error:
            raise InputError("--spec", settings.spec, (error.strerror or str(error)).lower()) from None
    return digest.hexdigest()[:12]


class Eye:
    """The segmenter of the endpoint."""

    def __init__(self, path: str, *, device: str = "cpu", maps: int = 0, draws: int = 0, release: str = "",
                 expects: str | None = None) -> None:
        from ssbray.segmentation import Segmenter

        self.model = Segmenter.load(path, device)
        self.device, self.maps, self.draws, self.release = device, maps, draws, release
        self.version, self._files = self.model.version, expected(path, expects)
        self.canary()

    def see(self, micrograph: Micrograph, wishes: Wishes, keep: bool = False) -> Seen:
        """Segment a micrograph; a picture whose detector is not known is taken for the one that the model needs."""
        from ssbray.service.seeing import see

        return see(micrograph, self.model, wishes, keep=keep, **self._more())

    def see_all(self, micrographs: Sequence[tuple[Micrograph, Wishes]]) -> list[Seen | Exception]:
        """One answer, or one error, for each."""
        from ssbray.service.seeing import see_all

        return see_all(micrographs, self.model, **self._more())

    def _more(self) -> dict[str, Any]:
        return {"version": self.version, "maps": self.maps, "draws": self.draws, "device": self.device,
                "release": self.release}

    def canary(self) -> None:
        """Segment a small virtual section; RuntimeError where that gives no finite probabilities."""
        size = self.model.pixel_size_nm or 5.0
        image = _section().labels.astype(np.float32)
        shares = self.model.segment(Micrograph(images={self.model.images[0]: image}, pixel_size_nm=size),
                                    device=self.device).probability
        if not np.isfinite(shares).all() or not np.allclose(shares.sum(axis=0), 1, atol=1e-3):
            raise RuntimeError("the segmenter gives no probabilities for a virtual section")

    def describe(self) -> dict[str, Any]:
        """What it is, as plain data."""
        model = self.model
        return {"version": self.version, "release": self.release, "classes": list(model.classes),
                "images": list(model.images), "elements": list(model.elements), "pixel_size_nm": model.pixel_size_nm,
                "calibrated": model.calibrated, "scores": _scores(model.card), "sha256": self._files,
                "training": {name: model.card[name] for name in model.card
                             if isinstance(model.card[name], int | float | str)}}


class Oracle:
    """The surrogate of the endpoint."""

    def __init__(self, path: str, *, device: str = "cpu", release: str = "", expects: str | None = None) -> None:
        from ssbray.surrogate import Surrogate

        self.model = Surrogate.load(path)
        self.device, self.release = device, release
        self.version, self._files = self.model.version, expected(path, expects)
        self.canary()

    def foretell(self, questions: Sequence[Question]) -> list[dict[str, Any] | InputError]:
        """One answer, or one error, for each question."""
        return foretell(questions, self.model, self.device)

    def canary(self) -> None:
        """Predict a small virtual section; RuntimeError where that is no finite conductivity."""
        section = _section()
        properties = materials.assign(section, materials.load(), 25.0)
        (told,) = self.foretell([Question(graph=graph.build(section, properties.conductivity, properties.interfaces,
                                                            axis="y"))])
        if isinstance(told, InputError):
            raise told
        if not math.isfinite(told["sigma_eff_S_per_cm"]["mean"]):
            raise RuntimeError("the surrogate gives no conductivity for a virtual section")

    def describe(self) -> dict[str, Any]:
        """What it is, as plain data; the training domain as the range of each novelty."""
        card = self.model.card
        own = self.model.own_novelty
        return {"version": self.version, "release": self.release, "scores": _scores(card), "sha256": self._files,
                "domain": {"specimens": len(self.model.known), "largest_novelty": float(own.max()),
                           "median_novelty": float(np.median(own))},
                "training": {name: value for name, value in card.items() if isinstance(value, int | float | str)}}


@cache
def _section() -> Any:
    """A small virtual section, always the same."""
    process = specimen.ProcessParameters.parse({"coating": "bare", "atmosphere": "O2"})
    return specimen.make(process, seed=1, size_nm=(320.0, 320.0)).section(5.0)


def _scores(card: Any) -> dict[str, Any]:
    """Held-out scores of a card, where it has some."""
    return {name: card[name] for name in SCORES if name in card}
