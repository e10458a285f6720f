"""The study in plain words, for a reader who knows no batteries: what was asked, what was found, how sure it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ssbray.campaign.report import words
from ssbray.campaign.report.budget import shares
from ssbray.materials import Materials
from ssbray.study.claims import CLAIMED_GAIN_PERCENT, CLAIMED_MAPE_PERCENT, Row
from ssbray.study.diary import Content
from ssbray.study.report import roles
from ssbray.study.run import BEST, BLIND, REFERENCE
from ssbray.study.spec import Study

MOSTLY = 0.9  #: share in the domain below which it is said
TIMES = 150.0  #: gain [%] from which it is told as a multiple

#: a word -> what it means here
GLOSSARY: tuple[tuple[str, str], ...] = (
    ("Electrolyte", "the ceramic that lithium ions travel through, here the garnet LLZO; it replaces the liquid of an "
     "ordinary battery"),
    ("Cathode", "the side that stores the lithium, here the oxide NMC"),
    ("Reaction layer", "what the two make of each other when they are fired together, here lanthanum zirconate, "
     "La2Zr2O7: thin, hard to see, and nearly a wall to ions"),
    ("Coating", "another thin layer, put there on purpose before firing, to keep the two apart and let ions pass"),
    ("Resistance", "what the ions have to overcome; the lower it is, the faster a battery charges and the less of its "
     "energy turns to heat. It is given for a square centimetre, in Ω cm²"),
    ("MAPE", "mean absolute percentage error: how far predictions are off, on average"),
    ("IoU", "intersection over union: the area that was found and is right, as a share of all that was found or should "
     "have been; 1 is perfect"),
    ("AUROC", "the chance that a specimen with the layer looks stranger than one without it; ½ is a coin, 1 is "
     "perfect"),
)


def headline(compared: Mapping[str, Any]) -> str:
    """What knowing the layer is worth, in one sentence that claims no more than the interval allows."""
    over = compared["gain_over"][BLIND]
    percent, interval = over["percent"], over["interval90"]
    if percent is None or interval is None:
        asr = {role: compared["designs"][role]["asr_ohm_cm2"] for role in (BEST, BLIND)}
        if asr[BEST] is not None and asr[BLIND] is None:
            return ("A search that knows the reaction layer finds an interface that conducts; one that overlooks it "
                    "ends at a design that does not conduct on every specimen.")
        if asr[BEST] is None:
            return ("Even with the reaction layer known, the search found no interface that conducts on every "
                    "specimen.")
        return "What knowing the reaction layer is worth cannot be said: too few equal specimens could be solved."
    gain, ends = words.number(abs(percent), words.digits(interval)), f"90 % interval {words.between(interval)} %"
    if interval[0] <= 0 <= interval[1]:
        return ("Knowing the reaction layer made no difference that these specimens show: the two designs differ by "
                f"{words.number(percent, words.digits(interval))} % in conductivity ({ends}).")
    if percent < 0:
        return (f"The search that knows the reaction layer ended at a worse interface than the one that overlooks it: "
                f"{gain} % less conductivity ({ends}).")
    better = f"{gain} % better than" if percent < TIMES else f"{words.number(1 + percent / 100)} times as well as"
    also = "" if percent < TIMES else f"a gain of {gain} %; "
    return (f"A search that knows the reaction layer finds an interface that conducts {better} the one of a search "
            f"that overlooks it ({also}{ends}).")


BACKGROUND = (
    "In a solid-state battery, lithium ions cross from a ceramic (the electrolyte) into the grains that store them "
    "(the cathode). Fired together, the two can react, and a layer grows between them that stands in the ions' way. "
    "How they are processed decides how much of it there is, and a coating can prevent it.")


def tally(rows: Sequence[Row]) -> str:
    """How many claims came true."""
    asked = [row for row in rows if row.verdict != "no claim"]
    if not asked:
        return "None of the rows below has a number to be held against."

    def named(verdict: str) -> str:
        return f"{sum(row.verdict == verdict for row in asked)} {verdict}"

    return f"Of {len(asked)} claims that can be checked: {named('reached')}, {named('partly')}, {named('not reached')}."


def asked(study: Study, found: Mapping[str, Content]) -> str:
    """What the study claims, and what was done to see."""
    made = found["micrographs"]
    return (f"A study claims three things: that a network predicts how well ions cross an interface from its "
            f"micrograph, {CLAIMED_MAPE_PERCENT:g} % off in the mean; that it notices a reaction layer which nobody "
            f"had told it of; and that a search with it gains {CLAIMED_GAIN_PERCENT:g} % in conductivity. All of it "
            f"was done anew here: {made['micrographs']} virtual micrographs of {made['samples']} samples; a "
            "segmenter that names what each pixel shows; finite elements, which compute the current through it; a "
            "network that learns from these; and two searches over the process, one that knows the layer and one "
            "that does not.")


def answers(study: Study, found: Mapping[str, Content], tables: Materials) -> list[str]:
    """What came of it, the bad with the good."""
    return [*_predicted(found["prediction"]), _noticed(found["layer"]), *_gained(found, tables)]


def _predicted(prediction: Mapping[str, Any]) -> list[str]:
    told = []
    for name, scores in prediction.items():
        text = f"{name[0].upper()}{name[1:]}: the network's conductivity is {words.number(scores['mape_percent'])} % " \
               f"off in the mean ({scores['n']} specimens)"
        ranked = sorted((row["mape_percent"], other) for other, row in scores["baselines"].items())
        if ranked:
            error, other = ranked[0]
            better = error < scores["mape_percent"]
            text += (f"; the best of the simple methods, {other}, {words.number(error)} %"
                     + (", which does better" if better else ""))
        inside = scores.get("in_domain_share")
        if inside is not None and inside < MOSTLY:
            text += f"; {words.number(100 * (1 - inside), 2)} % of these are unlike what it learnt from"
        told.append(text + ".")
    return told


def _noticed(layer: Mapping[str, Any]) -> str:
    if layer["flagged"] is None or layer["false_alarms"] is None:
        return "Whether the layer is noticed could not be tried: no specimen with it, or none without it, was solved."
    named = layer["named_first"]
    found, false = (words.number(100 * layer[name], 2) for name in ("flagged", "false_alarms"))
    told = (f"The layer, unknown to the alarm, set it off for {found} % of {layer['with']} specimens; {false} % of "
            f"{layer['without']} without it set it off too.")
    return told if named is None else \
        told + f" The first reason given names the layer for {words.number(100 * named, 2)} %."


def _gained(found: Mapping[str, Content], tables: Materials) -> list[str]:
    compared = found["gain"]
    designs = compared["designs"]
    told = [f"Against the {roles.PLAIN[REFERENCE]}: {gain(compared['gain_over'][REFERENCE])}."]
    overlooked, reference = (designs[role]["asr_ohm_cm2"] for role in (BLIND, REFERENCE))
    if overlooked is not None and reference is not None and overlooked > reference:
        told.append(f"To search without knowing the layer is worse than not to search: {words.number(overlooked)} "
                    f"{words.ASR_UNIT} against {words.number(reference)} {words.ASR_UNIT} of the reference.")
    if any(design["budget"] for design in designs.values()):
        told.append(f"Of the resistance, {found['layer']['phase']} carries: " + ", ".join(
            f"{roles.PLAIN[role]} {carried(designs[role], found['layer']['phase'])}" for role in roles.ORDER) + ".")
    parts = [f"{roles.PLAIN[role]}, {part}" for role in (BEST, REFERENCE) if (part := _largest(designs[role], tables))]
    if parts:
        told.append(f"What resists the most: {'; '.join(parts)}.")
    return told


def carried(design: Mapping[str, Any], phase: str) -> str:
    """Share of a design's resistance in a phase, as a phase and as a thin layer.

    >>> carried({"budget": {"La2Zr2O7": 0.25, "La2Zr2O7 (interface)": 0.5, "NMC811": 0.25}}, "La2Zr2O7")
    '75 %'
    """
    if not design["budget"]:
        return "– (does not conduct)"
    share = sum(value for name, value in design["budget"].items() if name.removesuffix(" (interface)") == phase)
    return f"{words.number(100 * share, 2)} %"


def _largest(design: Mapping[str, Any], tables: Materials) -> str:
    """Where the largest part of a design's resistance sits; empty where it does not conduct."""
    if design["asr_ohm_cm2"] is None or not (rows := shares([design])):
        return ""
    part, (value,) = rows[0]
    return f"{words.place(tables, part)} ({words.number(100 * (value or 0.0) / design['asr_ohm_cm2'], 2)} %)"


def gain(over: Mapping[str, Any]) -> str:
    """A gain in words.

    >>> gain({"percent": 2066.7, "interval90": [1900.0, 2250.0]}), gain({"percent": None, "interval90": None})
    ('21.7 times the conductivity (a gain of 2070 %; 1900 to 2250 %)', 'one of the two does not conduct')
    """
    percent, interval = over["percent"], over["interval90"]
    if percent is None:
        return "one of the two does not conduct"
    number = words.number(abs(percent), 3 if interval is None else words.digits(interval))
    ends = "no interval" if interval is None else f"{words.between(interval)} %"
    if percent >= TIMES:
        return f"{words.number(1 + percent / 100)} times the conductivity (a gain of {number} %; {ends})"
    return f"{number} % {'more' if percent >= 0 else 'less'} conductivity ({ends})"


def certainty(study: Study, found: Mapping[str, Content]) -> list[str]:
    """What the intervals are made of, and what they leave out."""
    compared, laws = found["gain"], found["priors"]["rows"]
    told = [f"The designs were compared on the same {compared['specimens']} specimens, which no search had used. "
            "The intervals hold the luck of specimens and samples, and nothing else: neither another seed nor "
            "another model nor other laws."]
    if laws:
        held = sum(bool(row["still_best"]) for row in laws)
        told.append(f"With one process law at a time changed, the design stayed the best of the three in {held} of "
                    f"{len(laws)} tries.")
    return [*told, *ceiling(found)]


def ceiling(found: Mapping[str, Content]) -> list[str]:
    """The most that physics leaves to be gained, if the campaign knows it."""
    bound, designs = found["aware"].get("bound"), found["gain"]["designs"]
    sigma = designs[REFERENCE]["sigma_eff_S_per_cm"]
    if not bound or not bound.get("sigma_eff_S_per_cm"):
        return []
    text = (f"No process can go below {words.resistance({**bound, 'specimens': 1, 'budget': {}})} here: that is "
            "what the electrolyte and the cathode themselves resist in the best design's specimens")
    if sigma:
        most = 100 * (bound["sigma_eff_S_per_cm"] / sigma - 1)
        text += f", and would be a gain of {words.number(most)} % over the {roles.PLAIN[REFERENCE]}"
    return [text + "."]
