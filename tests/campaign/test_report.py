from __future__ import annotations

import copy
import html
import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import matplotlib
import matplotlib.image
import numpy as np
import pytest

from ssbray import materials
from ssbray.campaign import Ledger, SerialAnnealers, SerialWorkers, run
from ssbray.campaign.report import budget, evidence, page, parameters, predicted, story, style, trace, words, write
from ssbray.campaign.report.write import compared
from ssbray.campaign.task import Outcome
from ssbray.domain import PhaseMap, ThinLoss, TransportSolution
from ssbray.errors import SolverError
from tests.campaign import fakes

FIGURES = {"specimens", "budget", "trace", "parameters", "predicted"}


def fields(task):
    """Electrolyte over cathode, with a pore: enough to be drawn."""
    labels = np.zeros((24, 36), np.uint8)
    labels[12:], labels[4:8, 5:9] = 1, 2
    grains = np.where(labels == 2, 0, 1 + (np.arange(36) > 18)[None, :]).astype(np.int32)
    made = PhaseMap(labels=labels, phases=("Ta-LLZO", "NMC811", "pore"), pixel_size_nm=5.0, grains=grains)
    conducts = not blocks(task)
    solid = np.where(labels == 2, 0.0, 1.0) * conducts
    ramp = np.linspace(1, 0, 24)[:, None] * np.ones((1, 36))
    return made, TransportSolution(
        sigma_eff=1e-4 * conducts, asr=1e-3 if conducts else np.inf, axis="y", boundary="dirichlet",
        percolates=conducts, faces=ThinLoss(**{name: np.zeros(0) for name in ("first", "second", "axis", "across",
                                                                              "along")}),
        reason=None if conducts else "no path <here>", dissipation_fraction={},
        potential=np.where(labels == 2, np.nan, ramp * conducts),
        current_density=np.stack([0.1 * solid, (1 + ramp) * solid]), dissipation=(1e3 * ramp + 1) * solid,
        dofs=1, iterations=1, residual=0.0, solver="", seconds={})


def blocks(task):
    """Only the reference has no coating and was joined at exactly 700 C."""
    return task.parameters["coating"] == "bare" and task.parameters["cosintering_temperature_C"] == 700.0


def blocking(task):
    outcome = fakes.evaluate(task)
    if task.kind == "graph" or not blocks(task):
        return outcome
    return Outcome(key=task.key, graph=outcome.graph, values={
        "sigma_eff_S_per_cm": 0.0, "asr_ohm_cm2": None, "percolates": False, "reason": "no path", "budget": {}})


def conducting(task):
    return fields(type(task)(**{**vars(task), "parameters": {**task.parameters, "coating": "LCBO"}}))


def campaign(directory, evaluate=fakes.evaluate, **changes):
    spec = fakes.spec(**changes)
    return spec, run(spec, directory, workers=SerialWorkers(evaluate), learner=fakes.QuadraticLearner(),
                     annealers=SerialAnnealers(), listener=fakes.Silence())


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    directory = tmp_path_factory.mktemp("toy")
    spec, summary = campaign(directory)
    paths = write(directory, spec, summary, fields=conducting)
    return directory, spec, summary, paths


def unpictured(directory, spec, summary):
    """The page without drawing its figures."""
    found = evidence.gather(directory, spec, summary, conducting)
    return page.page(found, compared(summary), dict.fromkeys(FIGURES, b""), materials.load(spec.materials))


def text_of(page):
    """What a reader sees, with ordinary spaces."""
    return html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r'src="data:[^"]*"', "", page))).replace("\xa0", " ")


def test_the_page_and_every_figure_are_written(toy):
    directory, _, _, paths = toy
    assert paths[0] == directory / "report.html"
    assert {path.stem for path in paths[1:]} == FIGURES
    assert {path.name for path in (directory / "figures").iterdir()} == {f"{name}.png" for name in FIGURES}
    assert not list(directory.glob("**/*.draft"))


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_a_figure_opens_and_is_not_blank(toy, name):
    pixels = matplotlib.image.imread(toy[0] / "figures" / f"{name}.png")[..., :3]
    assert min(pixels.shape[:2]) > 500
    ink = (pixels < 0.95).any(axis=2)
    assert 0.01 < ink.mean() < 0.9
    assert ink.any(axis=0).mean() > 0.8, "a part of the width is empty"
    assert ink.any(axis=1).mean() > 0.5, "a part of the height is empty"


def test_the_page_needs_nothing_else(toy):
    page = toy[3][0].read_text()
    assert not re.search(r"https?://|file:|//cdn", page)
    assert str(toy[0]) not in page
    assert "/home" not in page
    assert "/tmp" not in page
    assert "<script" not in page
    sources = re.findall(r'src="([^"]{0,30})', page)
    assert len(sources) == len(FIGURES)
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert all(re.findall(r'<img alt="([^"]{20,})"', page))
    balanced(page)


def balanced(page):
    class Checker(HTMLParser):
        open_: list[str] = []

        def handle_starttag(self, tag, attrs):
            if tag not in ("meta", "img"):
                self.open_.append(tag)

        def handle_endtag(self, tag):
            assert self.open_.pop() == tag

    checker = Checker()
    checker.open_ = []
    checker.feed(page)
    assert checker.open_ == []


def test_the_page_keeps_its_promises(toy):
    _, spec, summary, paths = toy
    text = text_of(paths[0].read_text())
    interval = summary["improvement_interval90_percent"]
    promised = [words.number(summary["improvement_percent"], words.digits(interval)), words.between(interval),
                spec.digest, summary["physics_version"], summary["trajectory_sha256"], str(summary["fe_solves"]),
                str(summary["cache_hits"]), str(summary["screened"]), words.number(summary["seconds"]["total"]),
                f"ssbray campaign run SPEC --seed {spec.seed}",
                words.number(100 * summary["surrogate"]["fresh_specimens"]["coverage90"]),
                words.number(summary["surrogate"]["fresh_specimens"]["mape_percent"])]
    for role in ("best", "reference", "best_without_coating"):
        design = summary[role]
        promised += [words.number(design["asr_ohm_cm2"]), words.number(design["sigma_eff_S_per_cm"]),
                     words.between(design["interval90"]), str(design["specimens"])]
        promised += [words.value_of(design["parameters"], name) for name in spec.search]
    for number in promised:
        assert number in text, number
    noise, bound = summary["noise"], summary["bound"]
    promised = [words.between(noise["band90_percent"]), words.number(bound["asr_ohm_cm2"]), "nine times in ten",
                "no process can go below that"]
    for number in promised:
        assert number in text, number
    for unit in ("(°C)", "(h)", "(nm)", "Ω cm²", "S/cm"):
        assert unit in text


def test_the_first_screen_says_what_it_is_not(toy):
    first, _, _ = text_of(toy[3][0].read_text()).partition("The designs")
    for word in ("virtual", "priors", "two-dimensional", "single potential", "relative to the stated reference"):
        assert word in first, word


def test_every_design_of_the_search_is_shown_once(toy):
    directory, spec, summary, _ = toy
    found = evidence.gather(directory, spec, summary, conducting).evaluated
    assert len(found) == summary["evaluations"] == spec.evaluations
    assert [design.chain for design in found[: spec.annealing.initial]] == [None] * spec.annealing.initial
    with Ledger(directory, write=False) as ledger:
        solved = {outcome.key: outcome.values["sigma_eff_S_per_cm"] for _, outcome in ledger.outcomes() if outcome.ok}
        steps = {(step["step"], step["chain"]): step for step in ledger.events("step")}
    for design, (_, step) in zip(found[spec.annealing.initial:], sorted(steps.items()), strict=True):
        if step["value"] is not None:
            mean = np.exp(np.mean([np.log(solved[key]) for key in step["keys"]]))
            assert design.objective == pytest.approx(1e-5 / mean, rel=1e-9)  # 100 nm thick
        else:
            assert design.objective is None
    assert any(design.objective is None for design in found), "the toy melts above 880 C"


def test_steps_decided_twice_after_an_interruption_count_once(tmp_path):
    spec, summary = campaign(tmp_path)
    campaign(tmp_path)
    assert len(evidence.gather(tmp_path, spec, summary, conducting).evaluated) == spec.evaluations


def test_both_pictures_are_of_the_same_specimen(toy):
    directory, spec, summary, _ = toy
    asked = []
    evidence.gather(directory, spec, summary, lambda task: asked.append(task) or conducting(task))
    assert asked[0].seed == asked[1].seed
    assert [task.parameters for task in asked] == [summary[role]["parameters"] for role in ("reference", "best")]


def test_the_same_campaign_gives_the_same_bytes(toy):
    directory, spec, summary, paths = toy
    before = {path: path.read_bytes() for path in paths}
    assert write(directory, spec, json.loads(json.dumps(summary)), fields=conducting) == paths
    assert {path: path.read_bytes() for path in paths} == before


def test_hostile_names_are_text(toy):
    directory, spec, summary, _ = toy
    nasty = '<script>alert("1")</script> & $x_'
    renamed = spec.model_copy(update={"materials": {"phases": {"NMC811": {"name": nasty}}}})
    hostile = {**summary, "name": nasty, "mlflow_run_id": nasty}
    written = unpictured(directory, renamed, hostile)
    assert "<script" not in written
    assert "&lt;script&gt;" in written
    balanced(written)
    assert style.png(budget.draw(compared(hostile), materials.load(renamed.materials)))


def test_a_reference_that_does_not_conduct_is_said_to_be_one(tmp_path):
    spec, summary = campaign(tmp_path, blocking)
    assert summary["improvement_percent"] is None
    paths = write(tmp_path, spec, summary, fields=fields)
    page = paths[0].read_text()
    text = text_of(page)
    assert "there is no gain in per cent" in text
    assert "that of the reference: does not conduct (no path <here>)" in text
    assert "no path <here>" not in page
    assert all(path.stat().st_size > 10_000 for path in paths)


def test_a_solver_that_gives_up_leaves_an_empty_place(toy):
    directory, spec, summary, _ = toy

    def failing(task):
        raise SolverError("no convergence")

    found = evidence.gather(directory, spec, summary, failing)
    assert [picture.failure for picture in found.pictures] == ["no convergence"] * 2


@pytest.mark.parametrize(("percent", "interval", "says"), [
    (34.2, [30.0, 38.0], "34.2 % more easily"),
    (2071.0, [1997.0, 2148.0], "21.7 times as easily"),
    (3.0, [-4.0, 10.0], "cannot be told from the reference"),
    (-20.0, [-25.0, -15.0], "nothing better than the reference"),
    (None, None, "cannot be compared"),
])
def test_the_headline_claims_no_more_than_the_interval(toy, percent, interval, says):
    summary = {**toy[2], "improvement_percent": percent, "improvement_interval90_percent": interval}
    assert says in story.headline(summary)


def test_a_best_design_that_fails_when_confirmed_is_no_success(toy):
    summary = copy.deepcopy(toy[2])
    summary["best"].update(asr_ohm_cm2=None, objective=None, sigma_eff_S_per_cm=0.0, interval90=None)
    summary.update(improvement_percent=None, improvement_interval90_percent=None)
    assert "does not conduct on every fresh specimen" in story.headline(summary)


def test_no_coating_and_another_objective(tmp_path):
    spec, summary = campaign(tmp_path, objective={"maximise": "sigma_eff_S_per_cm"},
                             search={"cosintering_time_h": {"low": 0.1, "high": 10, "log": True}},
                             reference={"cosintering_time_h": 8.0})
    text = text_of(unpictured(tmp_path, spec, summary))
    assert style.png(parameters.draw(spec, summary, ()))
    assert "without its coating" not in text, "a bare design has no coating to take away"
    assert "co-sintering time" in text


def test_nothing_is_half_written(tmp_path):
    spec, summary = campaign(tmp_path)

    def broken(task):
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="memory"):
        write(tmp_path, spec, summary, fields=broken)
    assert not (tmp_path / "report.html").exists()
    assert not (tmp_path / "figures").exists()


def test_figures_with_little_to_show():
    assert style.png(predicted.draw({"n": 0}, "finalist 1"))
    spec = fakes.spec()
    failed = [evidence.Evaluated(parameters=spec.reference_design.model_dump(), objective=None)] * 3
    assert style.png(trace.draw(spec, {"reference": {"objective": None}}, failed))


def test_drawing_leaves_the_process_as_it_was():
    with matplotlib.rc_context({"font.size": 31.0}):
        matplotlib.rcParams["backend"] = "svg"
        before = dict(matplotlib.rcParams)
        image = style.png(predicted.draw({"n": 0}, ""))
        assert dict(matplotlib.rcParams) == before
    assert matplotlib.image.imread(io.BytesIO(image)).ndim == 3


def test_a_campaign_without_a_report_needs_no_matplotlib():
    check = ("import sys, ssbray.campaign; assert 'matplotlib' not in sys.modules; import ssbray.campaign.report; "
             "assert 'matplotlib.pyplot' not in sys.modules")
    subprocess.run([sys.executable, "-c", check], check=True)


def test_every_bundled_phase_has_a_plain_name():
    tables = materials.load()
    for key in tables.phases:
        assert words.place(tables, key)
        assert words.place(tables, f"{key} (interface)").endswith("(thin layer)")
    assert words.place(tables, "charge transfer (interface)") == "charge transfer (interface)"
