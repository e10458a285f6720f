"""The table: what the study claims, what came of it here, on what it rests, and what it means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ssbray.campaign import hyperscore
from ssbray.campaign.report.words import between, number, parameter
from ssbray.study.diary import Content
from ssbray.study.run import BLIND, REFERENCE
from ssbray.study.spec import Study

FRESH = "fresh specimens"
CLAIMED_MAPE_PERCENT, CLAIMED_GAIN_PERCENT = 8.2, 35.0
Verdict = Literal["reached", "not reached", "partly", "no claim"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table, in words and with the stages of the study that it rests on."""

    what: str
    claimed: str
    ours: str
    conditions: str
    verdict: Verdict
    meaning: str
    stages: tuple[str, ...]  #: files `stages/NAME.json`, which name the keys of the ledger


def rows(study: Study, found: Mapping[str, Content]) -> list[Row]:
    """The table, in the order of the thread."""
    return [_samples(study, found), *_segmentation(found), _transport(found), _voltage(found), *_prediction(found),
            *_layer(found), *_gains(study, found), _priors(found), _score(found)]


def _samples(study: Study, found: Mapping[str, Content]) -> Row:
    made, parts = found["micrographs"], found["parts"]
    width, height = made["size_nm"]
    solved = [each for name in ("seen", "true") for each in found["transport"][name].values()]
    return Row(what="Micrographs", claimed="200 images, 0.5 nm per pixel, 80/10/10",
               ours=f"{made['micrographs']} images of {made['samples']} samples, {made['pixel_size_nm']:g} nm per "
                    f"pixel, {len(parts['train'])}/{len(parts['calibrate'])}/{len(parts['test'])}, divided by sample",
               conditions=f"virtual, {width:g} x {height:g} nm, seed {study.seed}; {len(solved)} finite-element solves",
               verdict="reached" if made["micrographs"] >= 200 and made["pixel_size_nm"] <= 0.5 else "partly",
               meaning="The micrographs are drawn, not taken: no labelled image of this interface is public. Images of "
                       "one sample are never on both sides of a split.",
               stages=("micrographs", "segmenter", "transport"))


def _segmentation(found: Mapping[str, Content]) -> list[Row]:
    lines = []
    for what, scores in found["segmentation"].items():
        worst = sorted((value, name) for name, value in scores["iou"].items() if value is not None)[:2]
        lines.append(Row(
            what=f"Segmentation from {what}", claimed="a U-Net finds the phases",
            ours=f"mean IoU {scores['mean_iou']:.3f} ({between(scores['mean_iou_interval90'])})",
            conditions=f"{scores['images']} test images of samples not learnt from; interval over images; one seed",
            verdict="no claim", meaning="Hardest: " + ", ".join(f"{name} {value:.2f}" for value, name in worst)
            + f". Calibration error of the probabilities {scores['ece']:.3f}.", stages=("segmenter", "segmentation")))
    return lines


def _transport(found: Mapping[str, Content]) -> Row:
    apart = found["transport"]["apart"]
    cold, hot = _range(found, "temperature_C")
    low, high = _range(found, "charge_transfer_ohm_cm2")
    return Row(what="Conductivity from images", claimed="finite elements under varied temperature and contact",
               ours=f"{number(apart['median_percent'])} % from the true map's in the median "
                    f"({between(apart['interval90'])} %)",
               conditions=f"{apart['n']} test images of {apart['samples']} samples; {cold:.0f} to {hot:.0f} °C, charge "
                          f"transfer {low:.0f} to {high:.0f} ohm cm2", verdict="no claim",
               meaning="What segmentation alone adds to the error; layers that no pixel shows are taken from the "
                       "sample's sheet. Where the two disagree on whether anything conducts at all: "
                       f" {apart['percolation_wrong']}.", stages=("transport",))


def _range(found: Mapping[str, Content], name: str) -> tuple[float, float]:
    values = [each[name] for each in found["transport"]["conditions"].values()]
    return min(values), max(values)


def _voltage(found: Mapping[str, Content]) -> Row:
    told = found["voltage"]
    ratios = [row["interface_asr_ohm_cm2"][-1] / row["interface_asr_ohm_cm2"][0] for row in told["images"].values()
              if None not in row["interface_asr_ohm_cm2"]]
    first, last = told["applied_mV"][0], told["applied_mV"][-1]
    ours = (f"interface resistance at {last:g} mV is {min(ratios):.2f} to {max(ratios):.2f} of that at {first:g} mV"
            if ratios else "no current runs on these images")
    return Row(what="Varied potential", claimed="finite elements under varied potential", ours=ours,
               conditions=f"{len(ratios)} test images; ions in the electrolyte, electrons in the cathode, Butler-"
                          "Volmer with the exchange current of each image's charge transfer", verdict="no claim",
               meaning="With one potential the problem is linear and its conductivity does not depend on the "
                       "potential: only charge transfer does.", stages=("voltage",))


def _prediction(found: Mapping[str, Content]) -> list[Row]:
    trained, lines = found["surrogate"], []
    for name, scores in found["prediction"].items():
        best = min((row["mape_percent"], other) for other, row in scores["baselines"].items())
        mape, interval = scores["mape_percent"], scores["mape_interval90_percent"]
        ahead = "is further off" if best[0] > mape else "wins"
        source = ("Their maps are true ones, while it has learnt from segmented ones. " if name == FRESH else "")
        lines.append(Row(
            what=f"Surrogate, {name}", claimed=f"MAPE {CLAIMED_MAPE_PERCENT:g} %",
            ours=f"MAPE {mape:.2f} % ({between(interval)} %), R2 of ln sigma {scores['r2']:.4f}, 90 % intervals hold "
                 f"{100 * scores['coverage90']['share']:.0f} %",
            conditions=f"{scores['n']} that conduct, of {scores['samples']} samples not learnt from; trained on "
                       f"{trained['learnt']}; interval over samples; {len(trained['trials'])} trials of "
                       "hyper-parameters; one seed",
            verdict=verdict(mape, interval, CLAIMED_MAPE_PERCENT, less=True),
            meaning=f"{source}{_honesty(scores['coverage90'])}The best simple baseline {ahead}: {best[1]}, "
                    f"{best[0]:.2f} %. The labels are finite elements on the map that the graph describes, so this is "
                    "the surrogate's own error.",
            stages=("surrogate", "prediction")))
    return lines


def _honesty(coverage90: Content) -> str:
    """Whether 90 % intervals are wrong by more than chance, as the interval of what they hold says."""
    low, high = coverage90["interval95"]
    if low <= 0.9 <= high:
        return ""
    return f"Its intervals are too {'narrow' if high < 0.9 else 'wide'}, by more than chance. "


def verdict(value: float | None, interval: Sequence[float] | None, limit: float, *, less: bool = False) -> Verdict:
    """Reached if the worse end of the interval is; partly if the interval does not decide, or there is none.

    >>> verdict(5.0, [4.0, 6.0], 8.2, less=True), verdict(8.0, [7.0, 9.0], 8.2, less=True), verdict(30.0, None, 35.0)
    ('reached', 'partly', 'not reached')
    """
    if value is None:
        return "no claim"
    ends = [value] if interval is None else interval
    passed = [end <= limit if less else end >= limit for end in ends]
    return "not reached" if not any(passed) else "reached" if all(passed) and interval is not None else "partly"


def _layer(found: Mapping[str, Content]) -> list[Row]:
    told = found["layer"]
    joint, misfit = told["auroc"]["joint"], told["auroc"]["inconsistency"]
    found_it = verdict(joint["value"], joint["interval90"], 0.95)
    if found_it == "reached" and (told["flagged"] < 0.8 or told["false_alarms"] > 0.1):
        found_it = "partly"
    thinner = "" if not told["thinner"] else (f"; of {told['thinner']} specimens where it is thinner, "
                                               f"{100 * told['flagged_thinner']:.0f} % flagged")
    flagged = Row(
        what="The overlooked layer, flagged", claimed="anomaly detection finds a reaction layer",
        ours=f"AUROC {joint['value']:.3f} ({between(joint['interval90'])}); {100 * told['flagged']:.0f} % flagged, "
             f"{100 * told['false_alarms']:.0f} % false alarms{thinner}",
        conditions=f"{told['with']} of {told['judged']} fresh specimens with {told['phase']} in their pixels, "
                   f"the same {told['without']} made without it; {told['known']} known, none with it; level 5 %",
        verdict=found_it,
        meaning="The maps are true ones, in which the layer is a phase of its own: that a map has a phase which no "
                f"known one has would tell it as well (AUROC {told['auroc_trivial']['value']:.3f}). By the misfit "
                f"of solve and prediction alone it is {misfit['value']:.3f}. 'Li2Zr2O7', as it is also written, is "
                "not charge-neutral: La2Zr2O7 is meant.", stages=("layer",))
    share = told["share_of_loss"]
    carried = "none of these conducts" if share is None else (
        f"carries {100 * share['median']:.0f} % of the loss in the median ({100 * share['p5']:.0f} to "
        f"{100 * share['p95']:.0f} %, {share['n']} that conduct)")
    named = Row(
        what="The overlooked layer, named", claimed="its role is found",
        ours=f"named in the first reason for {100 * told['named_first']:.0f} %, in any of three for "
             f"{100 * told['named']:.0f} %; {carried}", conditions=f"{told['with']} specimens",
        verdict="reached" if told["named"] >= 0.9 else "partly" if told["named"] >= 0.5 else "not reached",
        meaning="Reasons are quantities outside the 1st to 99th percentile of the known maps. That the layer carries "
                "the loss follows from the conductivity that the tables give it.", stages=("layer",))
    return [flagged, named]


def _gains(study: Study, found: Mapping[str, Content]) -> list[Row]:
    compared = found["gain"]
    over, lines, atmosphere = compared["gain_over"], [], study.aware.reference_design.atmosphere
    told = {BLIND: ("Gain over the design of who overlooks the layer", "He searched as long, by laws without the "
                    "layer; both designs are then made by all laws."),
            REFERENCE: ("Gain over the reference", "The same process as the study's `reference` says, in the same "
                        "atmosphere; over a better reference the gain is smaller.")}
    worse = over[REFERENCE]["percent"], over[BLIND]["percent"]
    if None not in worse and worse[1] > worse[0]:
        told[BLIND] = (told[BLIND][0], told[BLIND][1] + " That design is worse than the reference itself, so this gain "
                       "says how much it costs not to know, and not how good the best design is.")
    for role, (what, meaning) in told.items():
        percent, interval = over[role]["percent"], over[role]["interval90"]
        lines.append(Row(
            what=what, claimed=f"+{CLAIMED_GAIN_PERCENT:g} % conductivity",
            ours="one of the two does not conduct" if percent is None else
            f"{number(percent)} % ({between(interval)} %)",
            conditions=f"{compared['specimens']} fresh specimens of each; {atmosphere}; {found['aware']['fe_solves']} "
                       f"and {found['blind']['fe_solves']} solves in the searches; one seed",
            verdict=verdict(percent, interval, CLAIMED_GAIN_PERCENT), meaning=meaning,
            stages=("aware", "blind", "gain")))
    return lines


def _priors(found: Mapping[str, Content]) -> Row:
    lines = found["priors"]["rows"]
    held = [each for each in lines if each["still_best"]]
    lost = sorted({parameter(each["law"])[0] for each in lines if not each["still_best"]})
    return Row(what="If the process laws are other ones", claimed="–",
               ours=f"the design stays the best of the three in {len(held)} of {len(lines)} worlds",
               conditions=f"one law at a time, {found['priors']['specimens']} specimens of each design",
               verdict="no claim", meaning="The laws are priors. " + (
                   f"The choice depends on: {', '.join(lost)}." if lost else
                   "The choice among these three does not hang on one of them; the optimum itself may."),
               stages=("priors",))


def _score(found: Mapping[str, Content]) -> Row:
    scores, over = found["prediction"]["fresh specimens"], found["gain"]["gain_over"][REFERENCE]["percent"]
    parts = {"accuracy": hyperscore.accuracy(scores["mape_percent"]),
             "calibration": hyperscore.calibration(scores["coverage90"]["share"]),
             "gain": hyperscore.gain(-100.0 if over is None else over),
             "novelty": max(1e-6, found["layer"]["auroc"]["inconsistency"]["value"])}
    value = hyperscore.joined(parts)
    return Row(what="HyperScore", claimed="named, not printed",
               ours=f"{hyperscore.hyperscore(value):.1f}, of V = {value:.3f}",
               conditions=", ".join(f"{name} {part:.3f}" for name, part in parts.items()), verdict="no claim",
               meaning="A ranking by a formula recalled from the same family of papers; it adds nothing to its parts.",
               stages=("prediction", "gain", "layer"))
