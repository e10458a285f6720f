"""Models that have learnt next to nothing, in seconds: what the endpoint does does not depend on what they say."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from serve.front import create
from ssbray import campaign, surrogate
from ssbray.campaign import dataset
from ssbray.domain import Micrograph
from ssbray.microscope import CLASSES
from ssbray.segmentation import Segmenter
from ssbray.segmentation.net import Net, Size
from ssbray.service import examples
from ssbray.service.decoding import Decoder
from ssbray.service.settings import Limits, Settings
from tests.serving.fakes import Fake

ROOT = Path(__file__).parents[2]
SMOKE = ROOT / "jobs" / "smoke.yaml"
LIMITS = Limits(body_bytes=2**20, pixels=2**20, decode_bytes=2**27, per_minute=10_000, decode_s=20)


def tiny_segmenter(place: Path, seed: int = 0) -> Path:
    """A segmenter with random weights, smoothed until its maps fall into regions, and each class equally likely."""
    torch.manual_seed(seed)
    size = Size(context=4, coarse=4, fine=4, widest=8)
    net = Net(1, 0, len(CLASSES), size).eval()
    model = Segmenter(nets=(net,), classes=CLASSES, images=("haadf",), elements=(), size=size, pixel_size_nm=5.0,
                      card={"scores": {"mean_iou": 0.1}})
    image = np.asarray(Image.open(io.BytesIO(examples.png("bare")))).astype(np.float32)
    with torch.no_grad():
        weight, bias = net.fine.heads.weight, net.fine.heads.bias
        outputs = weight.reshape(-1, 4, *weight.shape[1:]).mean(dim=(1, 3, 4), keepdim=True)
        weight.copy_(outputs.expand(-1, 4, -1, *weight.shape[2:]).reshape(weight.shape))
        bias.copy_(bias.reshape(-1, 4).mean(dim=1, keepdim=True).expand(-1, 4).reshape(-1))
        share = model.segment(Micrograph(images={"haadf": image}, pixel_size_nm=5.0)).probability
        bias[:4 * len(CLASSES)] -= torch.from_numpy(np.log(share).mean(axis=(1, 2)).repeat(4))
    model.save(place)
    return place


@pytest.fixture(scope="session")
def outcomes():
    """Twelve specimens, solved."""
    return [campaign.evaluate(task) for task in dataset.tasks(campaign.load(SMOKE), 12, 3)]


def tiny_surrogate(place: Path, outcomes, seed: int = 0) -> Path:
    """A surrogate with two members and hardly any training."""
    quick = surrogate.TrainingConfig(hidden=8, steps=1, members=2, samples=8, map_steps=30, vi_steps=20)
    surrogate.train([outcome.graph for outcome in outcomes],
                    np.array([100 * outcome.values["sigma_eff_S_per_cm"] for outcome in outcomes]),
                    groups=[str(k) for k in range(12)], config=quick, seed=seed).save(place)
    return place


@pytest.fixture(scope="session")
def models(tmp_path_factory, outcomes):
    """Two pairs of models: {"segmenter": ..., "surrogate": ...} each."""
    home = tmp_path_factory.mktemp("models")
    return [{"segmenter": str(tiny_segmenter(home / f"segmenter-{k}", k)),
             "surrogate": str(tiny_surrogate(home / f"surrogate-{k}", outcomes, k))} for k in range(2)]


@pytest.fixture(scope="session")
def decoder():
    """One decoding process with the limits of the tests."""
    made = Decoder(LIMITS, 1)
    yield made
    made.close()


@pytest.fixture
def front(decoder):
    """Make an application around a fake backend; `lines` collects its log."""
    def make(backend=None, *, keys=None, **given):
        limits = LIMITS.model_copy(update=given.pop("limits", {}))
        app = create(backend or Fake(), Settings(limits=limits, **given), keys=keys, decoder=decoder,
                     log=make.lines.append)
        return app
    make.lines = []
    return make
