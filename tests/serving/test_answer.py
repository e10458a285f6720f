"""The answer itself: batches, shares, versions that belong together, and what is refused before it costs time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from serve.metrics import Metrics
from ssbray.domain import Micrograph
from ssbray.errors import InputError
from ssbray.service.answer import Wishes, parts, scale_of_materials, see
from ssbray.service.models import Eye, Oracle, release
from ssbray.service.refusal import Refusal
from ssbray.service.settings import Settings

PICTURE = np.random.default_rng(5).integers(0, 255, (48, 48)).astype(np.float32)


def test_batched_equals_unbatched_and_one_bad_graph_fails_alone(models, outcomes):
    oracle = Oracle(models[0]["surrogate"])
    graphs = [outcome.graph for outcome in outcomes[:5]]
    alone = [oracle.foretell([graph])[0] for graph in graphs]
    bad = replace(graphs[0], node_names=("nonsense", *graphs[0].node_names[1:]))
    together = oracle.foretell([graphs[0], bad, *graphs[1:]])
    assert isinstance(together.pop(1), InputError)
    for one, other in zip(alone, together, strict=True):
        assert one["sigma_eff_S_per_cm"]["mean"] == pytest.approx(other["sigma_eff_S_per_cm"]["mean"], rel=1e-6)
        assert one["sigma_eff_S_per_cm"]["std"] == pytest.approx(other["sigma_eff_S_per_cm"]["std"], rel=1e-5)
        assert one["resistance_budget"] == pytest.approx(other["resistance_budget"], abs=1e-6)


def test_graphs_are_batched_by_their_regions(outcomes):
    graphs = [outcome.graph for outcome in outcomes]
    sizes = [graph.size[0] for graph in graphs]
    for most in (1, max(sizes), 2 * max(sizes), sum(sizes)):
        found = parts(graphs, most)
        assert [graph for part in found for graph in part] == graphs
        assert all(len(part) == 1 or sum(graph.size[0] for graph in part) <= most for part in found)
    assert len(parts(graphs, sum(sizes))) == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Ray Serve's own, on import
def test_two_releases_are_tried_again_and_then_refused(monkeypatch):
    from serve import app

    class Handle:
        def __init__(self, answers):
            self.remote, self.answers = self._next, answers

        async def _next(self, *_):
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    monkeypatch.setattr(app, "PAUSE_S", 0.001)
    monkeypatch.setattr(app, "joined", lambda seen, told: {"from": (seen.release, told["release"])})
    seen = [SimpleNamespace(release=name, graph=None) for name in "aab"]
    told = [(name, {"release": name}) for name in "bbb"]
    backend = app.HandleBackend("x", SimpleNamespace(see=Handle(seen)), SimpleNamespace(foretell=Handle(told)),
                                Metrics())
    assert asyncio.run(backend.image(None, None)) == {"from": ("b", "b")}
    backend = app.HandleBackend("x", SimpleNamespace(see=Handle([seen[-1]])),
                                SimpleNamespace(foretell=Handle([("c", {})])), Metrics())
    with pytest.raises(Refusal) as caught:
        asyncio.run(backend.image(None, None))
    assert caught.value.status == 503


def frame():
    return Micrograph(images={"haadf": PICTURE}, pixel_size_nm=5.0)


def test_the_parts_of_an_answer_fit_together(models):
    eye, oracle = Eye(models[0]["segmenter"]), Oracle(models[0]["surrogate"])
    seen = eye.see(frame(), Wishes(pictures=True))
    (told,) = oracle.foretell([seen.graph])
    assert sum(told["resistance_budget"].values()) == pytest.approx(1, abs=1e-5)
    low, high = told["sigma_eff_S_per_cm"]["interval90"]
    assert low < told["sigma_eff_S_per_cm"]["mean"] < high
    assert sum(seen.content["phase_fraction"].values()) == pytest.approx(1)
    assert set(seen.content["legend"]) == {name for name, share in seen.content["phase_fraction"].items() if share}
    assert seen.content["phase_fraction"]["coating"] == 0  # nobody named one
    assert eye.see(frame(), Wishes(coating="Li3BO3")).content["phase_fraction"]["coating"] > 0


def test_pictures_have_the_colours_of_the_legend(models):
    import base64
    import io

    from PIL import Image

    content = Eye(models[0]["segmenter"]).see(frame(), Wishes(pictures=True)).content
    overlay = Image.open(io.BytesIO(base64.b64decode(content["overlay_png_base64"]))).convert("RGB")
    assert overlay.size == (48, 48)
    count = {f"#{r:02X}{g:02X}{b:02X}": n for n, (r, g, b) in overlay.getcolors()}
    for name, colour in content["legend"].items():
        assert count[colour.upper()] / 48**2 == pytest.approx(content["phase_fraction"][name])
    grey = Image.open(io.BytesIO(base64.b64decode(content["image_png_base64"])))
    assert (grey.size, grey.mode) == ((48, 48), "L")


def test_noise_is_refused_before_it_costs_time(models):
    eye = Eye(models[0]["segmenter"])
    with pytest.raises(InputError, match="regions"):
        see(frame(), eye.model, Wishes(), version="", regions=10)


def test_a_release_is_what_is_in_the_files(models, tmp_path):
    import shutil

    first, second = (release(Settings(**pair)) for pair in models)
    assert first != second
    copy = {name: str(shutil.copytree(path, tmp_path / name)) for name, path in models[0].items()}
    assert release(Settings(**copy)) == first
    with pytest.raises(InputError, match="holds no model"):
        release(Settings(surrogate=str(tmp_path / "none")))


def test_a_model_that_was_changed_is_not_served(models, tmp_path):
    import shutil

    for part, load in (("segmenter", Eye), ("surrogate", Oracle)):
        place = shutil.copytree(models[0][part], tmp_path / part)
        weights = next(place.glob("*.safetensors"))
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        weights.write_bytes(content)
        with pytest.raises(InputError):
            load(str(place))


def test_the_scale_of_materials_is_in_order():
    rows = scale_of_materials()
    values = [row["sigma_S_per_cm"] for row in rows]
    assert values == sorted(values)
    assert {row["phase"]: row["sigma_S_per_cm"] for row in rows}["Ta-LLZO"] == pytest.approx(8e-4)
