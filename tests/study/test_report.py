from __future__ import annotations

import copy
import html
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import matplotlib.image
import numpy as np
import pytest
from PIL import Image

from ssbray import materials
from ssbray.campaign import Ledger
from ssbray.campaign.report import style
from ssbray.study import claims
from ssbray.study.report import (
    calibration,
    claims_table,
    detection,
    figures,
    limits,
    markdown,
    micrographs,
    parity,
    priors,
    resistance,
    searches,
    sights,
    story,
    write,
)
from ssbray.study.report.captions import CAPTIONS
from ssbray.study.report.page import page
from tests.study import made

ROLES = ("best", "layer overlooked", "reference")


@pytest.fixture(scope="module")
def study():
    return made.study()


@pytest.fixture(scope="module")
def written(tmp_path_factory, study):
    directory = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style, "DPI", 60)  # a reader wants more
        return directory, write(directory, study, made.found()).read_text()


def text_of(content):
    """What a reader sees, with ordinary spaces."""
    seen = html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r'src="data:[^"]*"', "", content)))
    return re.sub(r"\s+", " ", seen.replace("\xa0", " "))


def row(**changes):
    return claims.Row(**{"what": "w", "claimed": "c", "ours": "o", "conditions": "k", "verdict": "reached",
                         "meaning": "m", "stages": ("gain",), **changes})


def test_the_page_needs_nothing_else(written):
    directory, content = written
    assert not re.search(r"https?://|file:|//cdn|<script", content)
    assert str(directory) not in content
    sources = re.findall(r'src="([^"]{0,30})', content)
    assert len(sources) == len(CAPTIONS)
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert {path.stem for path in (directory / "figures").iterdir()} == set(CAPTIONS)
    balanced(content)


def balanced(content):
    class Checker(HTMLParser):
        open_: list[str] = []

        def handle_starttag(self, tag, attrs):
            if tag not in ("meta", "img", "br"):
                self.open_.append(tag)

        def handle_endtag(self, tag):
            assert self.open_.pop() == tag

    checker = Checker()
    checker.open_ = []
    checker.feed(content)
    assert checker.open_ == []


def test_the_page_says_every_row_and_every_limit(written, study):
    seen = text_of(written[1])
    for each in claims.rows(study, made.found()):
        for part in (each.what, each.claimed, each.ours, each.conditions, claims_table.verdict(each), each.meaning):
            assert " ".join(part.split()) in seen, part
        for stage in each.stages:
            assert f'href="stages/{stage}.json"' in written[1]
    for short, long in limits.LIMITS:
        assert seen.count(short) == 2  # on the first screen, and in full
        assert long in seen
    for fact in ("d" * 64, "0.1.0+1", str(study.seed), "ssbray study run", "seconds, segmenter 314"):
        assert fact in seen
    assert "tracking" not in seen


@pytest.mark.parametrize(("interval", "said"), [
    ([0.66, 0.88], "too narrow"), ([0.92, 0.99], "too wide"), ([0.8, 1.0], "")])
def test_intervals_that_are_wrong_by_more_than_chance_are_told(study, interval, said):
    content = made.found()
    for scores in content["prediction"].values():
        scores["coverage90"] = {"share": sum(interval) / 2, "interval95": interval}
    rows = [row for row in claims.rows(study, content) if row.what.startswith("Surrogate")]
    assert rows
    assert all(("by more than chance" in row.meaning) == bool(said) and said in row.meaning for row in rows)


@pytest.mark.parametrize("name", ["resistance", "priors", "detection", "parity", "calibration"])
def test_a_figure_opens_and_is_not_blank(written, name):
    pixels = matplotlib.image.imread(written[0] / "figures" / f"{name}.png")[..., :3]
    ink = (pixels < 0.95).any(axis=2)
    assert 0.01 < ink.mean() < 0.9
    assert ink.any(axis=0).mean() > 0.7, "a part of the width is empty"
    assert ink.any(axis=1).mean() > 0.5, "a part of the height is empty"


def test_a_failed_claim_stands_out_without_colour(study):
    rows = [row(what="first <b>"), row(what="second", verdict="not reached")]
    content = page(study, made.found(), rows, {})
    strip = re.search(r'<ul class="strip">.*?</ul>', content, re.DOTALL).group()
    for part in (strip, claims_table.html(rows), claims_table.markdown(rows)):
        assert "✕ not reached" in part.replace("&nbsp;", " ")
        assert "first &lt;b" in part
        assert "<b>" not in part
    assert len({*claims_table.SHAPES.values()}) == len(claims_table.SHAPES)
    assert "1 reached, 0 partly, 1 not reached" in text_of(content)


def test_the_layers_share_is_told_for_every_design(written):
    seen = text_of(written[1])
    assert "La2Zr2O7 carries: layer known 0 %, layer overlooked 50 %, uncoated reference 90 %." in seen
    assert "would be a gain of 2500 % over" in seen  # 5200 over 200 ohm cm2


def test_what_carries_no_claim_is_not_counted():
    assert story.tally([row(verdict="no claim"), row()]).startswith("Of 1 claims")
    assert "None of the rows" in story.tally([row(verdict="no claim")])
    assert "row" not in claims_table.strip([row(verdict="no claim", what="row")])


@pytest.mark.parametrize(("percent", "interval", "words"), [
    (37.5, [33.0, 42.0], "conducts 37.5 % better than the one of a search that overlooks it (90 % interval 33.0 to"),
    (2000.0, [1900.0, 2100.0], "conducts 21.0 times as well"),
    (2.0, [-1.0, 5.0], "made no difference that these specimens show"),
    (-12.0, [-15.0, -9.0], "worse interface than the one that overlooks it: 12.0 % less"),
])
def test_the_headline_claims_no_more_than_the_interval(percent, interval, words):
    compared = made.found()["gain"]
    compared["gain_over"]["layer overlooked"] = {"percent": percent, "interval90": interval}
    assert words in story.headline(compared)


def blocked(*roles):
    """The comparison where some designs do not conduct."""
    compared = made.found()["gain"]
    for role in roles:
        compared["designs"][role] |= {"asr_ohm_cm2": None, "objective": None, "sigma_eff_S_per_cm": 0.0,
                                      "interval90": None, "budget": {}}
    for role in ("layer overlooked", "reference"):
        if {"best", role} & set(roles):
            compared["gain_over"][role] = {"percent": None, "interval90": None}
    return compared


def without_interval():
    compared = made.found()["gain"]
    for over in compared["gain_over"].values():
        over["interval90"] = None
    for each in compared["designs"].values():
        each["interval90"] = None
    return compared


def no_layer_specimens():
    layer = made.layer()
    nothing = {"value": None, "interval90": None}
    layer |= {"with": 0, "flagged": None, "roc": {name: {**kinds, "with": []} for name, kinds in layer["roc"].items()},
              "named_first": None, "named": None, "auroc": dict.fromkeys(layer["auroc"], nothing),
              "share_of_loss": {"median": None, "p5": None, "p95": None, "n": 0}}
    return layer


def emptied(scores):
    none = {name: [] for name in scores["points"]}
    return {**scores, "points": none, "baselines": {}, "coverage": {}, "n": 0}


PREDICTION = {"test images": made.scores(20, 1), "fresh specimens": made.scores(60, 2)}
MISSING = {
    "no interval": ({"gain": without_interval()}, "cannot be said", ("searches", "priors")),
    "best blocks": ({"gain": blocked("best")}, "found no interface that conducts on every specimen", ("priors",)),
    "overlooked blocks": ({"gain": blocked("layer overlooked")}, "ends at a design that does not conduct",
                          ("resistance",)),
    "nothing conducts": ({"gain": blocked(*ROLES)}, "one of the two does not conduct", ("searches", "resistance")),
    "no laws varied": ({"priors": {"rows": [], "specimens": 3}}, "No process law was varied", ("priors",)),
    "no layer": ({"layer": no_layer_specimens()}, "could not be tried", ("detection",)),
    "no test specimens": ({"prediction": {name: emptied(each) for name, each in PREDICTION.items()}},
                          "kept for the test", ("parity", "calibration")),
    "no bound": ({"aware": {"fe_solves": 3, "best": {}}}, "What was found", ()),
}


@pytest.mark.parametrize("case", sorted(MISSING))
def test_missing_values_become_words(tmp_path, study, case):
    changes, words, names = MISSING[case]
    content = made.found(**copy.deepcopy(changes))
    campaign(tmp_path / "blind", [None] * 11)
    drawn = [figures.makers(tmp_path, study, content)[name]() for name in names]
    told = text_of(page(study, content, [row()], {}))
    shown = " ".join(each.get_text() for figure in drawn for each in figure.findobj(matplotlib.text.Text))
    assert words in told + " " + re.sub(r"\s+", " ", shown)
    assert not re.search(r"\b(nan|None|inf)\b", told + shown)


def test_markdown_survives_no_potential_no_trial_and_no_gain(study):
    content = made.found(gain=blocked("best"), voltage={"applied_mV": [1.0],
                                                        "images": {}})
    told = markdown(study, content, {"parity": "img/parity.png"})
    assert "](img/parity.png)" in told
    assert "no current runs" in told
    assert "0 trials" in told
    table = [line for line in told.splitlines() if line.startswith("|")]
    assert len(table) == 2 + len(claims.rows(study, content))
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {len(claims_table.HEAD) + 1}
    assert all(f"**{short}** {long}" in told for short, long in limits.LIMITS)


def test_a_cell_cannot_end_its_row():
    assert claims_table.markdown([row(ours="a|b\nc")]).splitlines()[-1].count("a\\|b c") == 1


@pytest.mark.parametrize("seed", range(4))
def test_the_area_under_the_curve_is_the_chance_of_the_right_order(seed):
    random = np.random.default_rng(seed)
    strange, sound = random.integers(0, 6, 17).astype(float), random.integers(-2, 4, 23).astype(float)
    false, true = detection.curve([*strange, None], sound.tolist())
    high = np.append(strange, np.inf)
    wins = (high[:, None] > sound).mean() + 0.5 * (high[:, None] == sound).mean()
    assert np.trapezoid(true, false) == pytest.approx(wins)
    assert (false[-1], true[-1]) == (1, 1)


def test_the_band_of_chance_holds_what_it_says():
    low, high = calibration.band(np.array([0.5, 0.9]), 60)
    drawn = np.random.default_rng(0).binomial(60, [[0.5], [0.9]], (2, 20_000)) / 60
    inside = ((drawn >= low[:, None]) & (drawn <= high[:, None])).mean(axis=1)
    assert (inside > 0.945).all()
    assert (inside < 0.985).all()
    levels, shares = calibration.coverage({"coverage": {"95": 1.0, "50": 0.4, "80": None}})
    assert levels.tolist() == [50, 95]
    assert shares.tolist() == [0.4, 1.0]


def test_three_images_from_the_nearest_to_the_farthest():
    stems = [f"s{k}" for k in range(7)]
    ratio = [1.0, 2.0, 0.3, 1.1, 0.0, 5.0, 0.9]  # the fifth does not conduct as it was seen
    content = {"parts": {"test": [*stems, "never solved"]}, "transport": {
        "true": {stem: made.solve(1e-7) for stem in stems},
        "seen": {stem: made.solve(value * 1e-7) for stem, value in zip(stems, ratio, strict=True)}}}
    assert sights.chosen(content) == [("s0", "nearest to the truth"), ("s1", "rank 4 of 7"),
                                      ("s4", "farthest from the truth")]
    content["parts"]["test"] = ["s5"]
    assert sights.chosen(content) == [("s5", "the only test image")]


def test_images_are_read_with_their_classes_in_the_models_order(tmp_path, monkeypatch):
    truth = np.zeros((6, 8), np.uint8)
    truth[3:] = 1
    home = tmp_path / "micrographs"
    for name, array in (("images", 40 * truth + 7), ("masks", truth)):
        (home / name).mkdir(parents=True)
        Image.fromarray(array).save(home / name / "a.png")
    (home / "images" / "a.json").write_text('{"pixel_size_nm": 2.0}')
    (home / "classes.yaml").write_text("0: LLZO\n1: NMC\n")
    (tmp_path / "segmenter").mkdir()

    class Model:
        classes = ("NMC", "LLZO")
        pixel_size_nm = 5.0  # not that of the image

        def segment(self, micrograph):
            return type("Found", (), {"labels": np.ones(micrograph.shape, np.uint8)})  # all LLZO

    monkeypatch.setattr(sights.Segmenter, "load", lambda place: Model())
    solves = {"a": made.solve(1e-7)}
    (look,) = sights.gather(tmp_path, {"parts": {"test": ["a"]}, "transport": {"seen": solves, "true": solves}})
    assert sights.agreement(look) == 0.5
    assert look.pixel_size_nm == 2.0
    assert sights.present([look]) == ["NMC", "LLZO"]
    figure = micrographs.draw([look, replace(look, seen_S_per_cm=0.0)])
    wrong = figure.axes[3].images[0].get_array()
    assert (wrong[3:] == 0).all()
    assert (wrong[:3] > 0.5).all()
    assert "does not conduct" in [axis.get_xlabel() for axis in figure.axes]
    assert matplotlib.image.imread(io.BytesIO(style.png(figure))).shape[0] > 300


def campaign(directory, values):
    """A ledger with the events of a search: eight of the initial design, then steps, one of them decided twice."""
    with Ledger(directory) as ledger:
        for k, value in enumerate(values[:8]):
            ledger.record("initial", f"{k:03d}", {"parameters": {}, "value": value})
        for k in (2, 1, 0):
            ledger.record("step", f"{k}", {"step": k, "chain": 0, "value": values[8 + k], "accepted": True})
        ledger.record("step", "again", {"step": 1, "chain": 0, "value": values[9], "accepted": True})


def test_the_best_so_far_follows_the_ledger(tmp_path, study):
    costs = [5.0, 4.5, None, 6.0, 5.5, 5.2, 5.1, 5.0, 4.0, 4.2, 3.5]
    campaign(tmp_path / study.aware.name, costs)
    values = searches.trajectory(tmp_path / study.aware.name, study.aware)
    assert values == pytest.approx([np.nan if each is None else np.exp(each) for each in costs], nan_ok=True)
    assert searches.trajectory(tmp_path / "blind", study.unaware) is None
    designs = made.found()["gain"]["designs"]
    figure = searches.figure(tmp_path, study.aware, study.unaware, designs)
    steps = [line for line in figure.axes[0].lines if len(line.get_ydata()) == len(costs)]
    assert steps[0].get_ydata() == pytest.approx(np.fmin.accumulate(values))
    shown = {line.get_ydata()[0] for line in figure.axes[1].lines if len(line.get_ydata()) == 1}
    assert shown == set(made.ASR.values())


def test_bars_add_up_to_the_resistance(study):
    designs = made.found()["gain"]["designs"]
    shares = resistance.parts(list(designs.values()))
    assert np.sum(list(shares.values()), axis=0) == pytest.approx(1.0)
    figure = resistance.draw(designs, materials.load())
    lengths = [sum(bar.get_width() for bar in figure.axes[0].patches if round(bar.get_y() + bar.get_height() / 2) == k)
               for k in range(len(designs))]
    assert lengths == pytest.approx(list(made.ASR.values()))


def test_the_tornado_marks_where_the_choice_changes():
    rows = made.priors()["rows"]
    figure = priors.draw({"rows": rows}, made.found()["gain"]["gain_over"])
    crosses = [line for axis in figure.axes for line in axis.lines if line.get_marker() == "X"]
    assert [line.get_xdata()[0] for line in crosses] == [-4.0, -80.0]
    assert [name for name, _ in priors.ordered(rows)][0] == "layer_per_diffusion_length"
    rows[4]["gain_over_percent"]["reference"] = None  # where one blocks, the gain moves without end
    assert [name for name, _ in priors.ordered(rows)][0] == "milling_time_constant_h"
    assert [each["value"] for each in dict(priors.ordered(rows[::-1]))["blocking_onset_air_C"]] == [400.0, 600.0]


def test_points_without_an_interval_are_still_points():
    scores = made.scores(3, 1)
    scores["points"]["interval90_S_per_cm"][1] = None
    scores["points"]["predicted_S_per_cm"][2] = None
    truth, guess, ends, _ = parity.points(scores)
    assert len(truth) == 2
    assert ends[1].tolist() == [guess[1], guess[1]]
    assert parity.draw({"test images": scores}).axes
