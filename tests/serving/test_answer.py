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
from ssbray.service.answer import scale_of_materials, shown
from ssbray.service.asked import Question, Wishes
from ssbray.service.models import Eye, Oracle, digest_of, release
from ssbray.service.refusal import Refusal
from ssbray.service.seeing import see
from ssbray.service.settings import Settings

PICTURE = np.random.default_rng(5).integers(0, 255, (48, 48)).astype(np.float32)


def test_batched_equals_unbatched_and_one_bad_graph_fails_alone(models, outcomes):
    oracle = Oracle(models[0]["surrogate"])
    graphs = [outcome.graph for outcome in outcomes[:5]]
    questions = [Question(graph=one, others=(two, one)) for one, two in zip(graphs, graphs[::-1], strict=True)]
    alone = [oracle.foretell([question])[0] for question in questions]
    bad = replace(graphs[0], node_names=("nonsense", *graphs[0].node_names[1:]))
    together = oracle.foretell([questions[0], Question(graph=graphs[0], others=(bad,)), *questions[1:]])
    assert isinstance(together.pop(1), InputError)
    for one, other in zip(alone, together, strict=True):
        assert one["sigma_eff_S_per_cm"]["mean"] == pytest.approx(other["sigma_eff_S_per_cm"]["mean"], rel=1e-6)
        assert one["sigma_eff_S_per_cm"]["std"] == pytest.approx(other["sigma_eff_S_per_cm"]["std"], rel=1e-5)
        assert one["doubt_ln"] == pytest.approx(other["doubt_ln"], rel=1e-5, abs=1e-7)
        assert one["resistance_budget"] == pytest.approx(other["resistance_budget"], abs=1e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Ray Serve's own, on import
def test_two_releases_are_tried_again_and_then_refused(monkeypatch):
    from serve import handles

    class Handle:
        def __init__(self, answers):
            self.remote, self.answers = self._next, answers

        def options(self, **_):
            return self

        async def _next(self, *_):
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    monkeypatch.setattr(handles, "PAUSE_S", 0.001)
    monkeypatch.setattr(handles, "joined", lambda seen, told: {"from": (seen.release, told["release"])})
    seen = [SimpleNamespace(release=name, question=None) for name in "aab"]
    told = [(name, {"release": name}) for name in "bbb"]
    backend = handles.HandleBackend("x", Handle(seen), Handle(told), Metrics())
    assert asyncio.run(backend.image(None, None)) == {"from": ("b", "b")}
    backend = handles.HandleBackend("x", Handle([seen[-1]]), Handle([("c", {})]), Metrics())
    with pytest.raises(Refusal) as caught:
        asyncio.run(backend.image(None, None))
    assert caught.value.status == 503


def frame():
    return Micrograph(images={"haadf": PICTURE}, pixel_size_nm=5.0)


def test_the_parts_of_an_answer_fit_together(models):
    eye, oracle = Eye(models[0]["segmenter"]), Oracle(models[0]["surrogate"])
    seen = eye.see(frame(), Wishes(pictures=True))
    (told,) = oracle.foretell([seen.question])
    assert sum(told["resistance_budget"].values()) == pytest.approx(1, abs=1e-5)
    low, high = told["sigma_eff_S_per_cm"]["interval90"]
    assert low < told["sigma_eff_S_per_cm"]["mean"] < high
    assert sum(seen.content["phase_fraction"].values()) == pytest.approx(1)
    assert set(seen.content["legend"]) == {name for name, share in seen.content["phase_fraction"].items() if share}
    assert seen.content["phase_fraction"]["coating"] == 0  # nobody named one
    assert eye.see(frame(), Wishes(coating="Li3BO3")).content["phase_fraction"]["coating"] > 0


def test_the_doubt_of_the_segmentation_widens_the_interval(models):
    eye, oracle = Eye(models[0]["segmenter"]), Oracle(models[0]["surrogate"])
    answers = []
    for eye.maps in (0, 4):
        (told,) = oracle.foretell([eye.see(frame(), Wishes()).question])
        answers.append(told)
    sure, doubting = answers
    assert sure["doubt_ln"]["segmentation"] is None
    assert (doubting["doubt_ln"]["maps"], doubting["doubt_ln"]["maps_blocked"]) == (4, 0)
    assert sure["doubt_ln"]["surrogate"] == doubting["doubt_ln"]["surrogate"]
    mean, std = (doubting["sigma_eff_S_per_cm"][name] for name in ("mean", "std"))
    assert mean == sure["sigma_eff_S_per_cm"]["mean"]  # of the most probable map, whatever the others say
    parts = [doubting["doubt_ln"][name] for name in ("surrogate", "segmentation")]
    assert std / mean == pytest.approx(np.hypot(*parts), rel=1e-9)
    narrow, wide = sure["sigma_eff_S_per_cm"]["interval90"], doubting["sigma_eff_S_per_cm"]["interval90"]
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


@pytest.mark.parametrize("axis", ["x", "y"])
def test_a_graph_is_drawn_where_its_regions_are(axis):
    """Three layers of 4, 8 and 12 rows, the resistance in the last boundary."""
    from ssbray import graph
    from ssbray.domain import PhaseMap

    labels = np.repeat(np.uint8([0, 1, 0]), [4, 8, 12])[:, None].repeat(10, axis=1)
    features = graph.build(PhaseMap(labels=labels, phases=("a", "b"), pixel_size_nm=5.0), {0: 1.0, 1: 2.0},
                           {(0, 1): 1e-9}, axis=axis)
    edges = np.array([0.25, 0.75])
    found = shown(features, np.zeros(3), edges)
    assert [(node["x_nm"], node["y_nm"], node["phase"]) for node in found["nodes"]] == [
        (25.0, 10.0, "a"), (25.0, 40.0, "b"), (25.0, 90.0, "a")]
    assert found["edges"] == [{"from": 1, "to": 2, "share": 0.75}, {"from": 0, "to": 1, "share": 0.25}]
    assert found["left_out"] == {"nodes": 0, "edges": 0}


def test_of_a_large_graph_what_matters_is_drawn(monkeypatch, outcomes):
    from ssbray import graph
    from ssbray.domain import PhaseMap
    from ssbray.service import answer

    monkeypatch.setattr(answer, "SHOWN", 20)
    labels = np.random.default_rng(0).integers(0, 2, (12, 12), dtype=np.uint8)
    features = graph.build(PhaseMap(labels=labels, phases=("a", "b"), pixel_size_nm=5.0), {0: 1.0, 1: 2.0}, {})
    nodes, edges = (np.random.default_rng(1).random(count) for count in features.size)
    found = shown(features, nodes, edges)
    assert (len(found["nodes"]), found["left_out"]["nodes"]) == (20, len(nodes) - 20)
    assert sorted(node["share"] for node in found["nodes"]) == pytest.approx(sorted(nodes)[-20:])
    assert all(0 <= edge[end] < 20 for edge in found["edges"] for end in ("from", "to"))


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
        digest = digest_of(place)
        load(str(place), expects=digest)
        with pytest.raises(RuntimeError, match="have changed"):  # sound, but not the one that was to be served
            load(models[1][part], expects=digest)
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
