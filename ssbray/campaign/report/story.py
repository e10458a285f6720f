"""The findings in plain words, for a reader who knows no batteries: what was searched, found, and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ssbray.campaign.report import words
from ssbray.campaign.report.budget import shares
from ssbray.campaign.report.evidence import Evidence
from ssbray.campaign.spec import Choices, FloatRange, Spec
from ssbray.materials import Materials

LIMITED = {"porosity": ("porosity of the electrolyte", ""), "reaction_layer_nm": ("reaction products", " nm thick"),
           "coating_layer_nm": ("coating", " nm thick")}
EDGE = 0.02  #: of a range: nearer to its end than this counts as at the end

BACKGROUND = (
    "In a solid-state battery, lithium ions have to cross from a ceramic electrolyte (the garnet LLZO) into the "
    "cathode (a layered oxide, NMC). How well they cross depends on how the two were made and joined. A computer "
    "drew specimens of such interfaces from process parameters, computed the current through each, and searched "
    "for parameters that let the ions pass more easily.")

#: in short, for the first screen; and in full
LIMITS = (
    ("Nothing was measured: the specimens are virtual.",
     "They are drawn by a computer from process parameters; no sample and no cell was made."),
    ("The process laws are priors (informed assumptions), so the optimum is theirs.",
     "The laws that turn process parameters into a structure are priors: literature values, trends and engineering "
     "assumptions, some known only within a factor of ten or more. The best design is the best under these laws. It is "
     "a proposal for an experiment, not the result of one, and no interval on this page covers the uncertainty of the "
     "laws or of the material constants."),
    ("The specimens are two-dimensional sections, not volumes.",
     "Current that would go around an obstacle in the third dimension cannot do so here."),
    ("The model has a single potential: lithium ions alone, obeying Ohm's law.",
     "One potential drives lithium ions through every phase. Electrons, state of charge, concentration "
     "gradients and reactions during cycling are left out."),
    ("The gain is relative to the stated reference, and to nothing else.",
     "The reference is the design in the table; against a better one the gain is smaller."),
    ("The field of view is small: this is no resistance of a whole cell.",
     "Resistances are those of the drawn view, with its thickness of electrolyte and cathode."))


def headline(summary: Mapping[str, Any]) -> str:
    """The gain and its 90 % interval, in one sentence that claims no more than the interval allows."""
    percent, interval = summary["improvement_percent"], summary["improvement_interval90_percent"]
    best, reference = (summary[role]["asr_ohm_cm2"] is not None for role in ("best", "reference"))
    if percent is None or interval is None:
        if best and not reference:
            return ("The best design found conducts on every fresh specimen; the reference does not, "
                    "so there is no gain in per cent to give.")
        return "No gain can be given: " + ("the best design found does not conduct on every fresh specimen."
                                           if not best else "the two designs cannot be compared on equal specimens.")
    gain = words.number(percent, words.digits(interval))
    found = f"(90 % interval {words.between(interval)} %)"
    if interval[0] <= 0 <= interval[1]:
        return f"The best design found cannot be told from the reference: its conductivity differs by {gain} % {found}."
    if percent < 0:
        return ("The search found nothing better than the reference: the conductivity of its best design differs by "
                f"{gain} % {found}.")
    if percent < 150:
        return f"Lithium ions cross the best design found {gain} % more easily than the reference {found}."
    return (f"Lithium ions cross the best design found {words.number(1 + percent / 100)} times as easily as the "
            f"reference: a gain of {gain} % {found}.")


def searched(spec: Spec, summary: Mapping[str, Any]) -> str:
    """What was varied and how often."""
    settings = spec.annealing
    width, height = map(words.given, spec.specimen.size_nm)
    ranges = "; ".join(_range(name, entry) for name, entry in spec.search.items())
    return (f"{summary['evaluations']} designs: {settings.initial} spread evenly over the ranges, then "
            f"{_count(settings.chains, 'annealing chain')} of {_count(settings.rounds * settings.steps, 'step')}. "
            f"Each was solved on {_count(spec.specimen.replicates, 'virtual specimen')} of {width} nm × {height} nm; "
            f"with the comparison at the end that took {summary['fe_solves']} finite-element solves. "
            f"Varied were: {ranges}.{_wishes(spec)}")


def _wishes(spec: Spec) -> str:
    """What was asked for besides a good mean."""
    wanted, told = spec.objective, ""
    if wanted.risk is not None:
        told += f" What counted was what {words.number(100 * wanted.risk)} % of a design's specimens are better than."
    limits = wanted.constraints.model_dump(exclude_none=True)
    if limits:
        kept = [f"{LIMITED[name][0]} at most {words.given(limit)}{LIMITED[name][1]}" for name, limit in limits.items()]
        told += f" Designs had to keep to: {'; '.join(kept)}."
    if wanted.anomaly_weight:
        told += (" Designs paid for looking unlike the specimens of the initial plan, so the objective in the figures "
                 "is higher than the resistance alone.")
    if spec.annealing.schedule == "literal":
        told += " The chains walked at random, x + T * gauss, and kept whatever came: a baseline, no search."
    return told


def beside(summary: Mapping[str, Any]) -> str:
    """What chance alone does, and what is the most that could be had: the yardsticks of a gain."""
    noise, bound, best = summary["noise"], summary["bound"], summary["best"]
    told = ""
    if noise is not None:
        told = (f"Two specimens of one design differ by {words.number(noise['spread_percent'], 2)} % (one standard "
                f"deviation). Measured once on {_count(noise['replicates'], 'specimen')} of its own and once more on "
                "others, a design would seem to gain over itself between "
                f"{words.between(noise['band90_percent'])} % nine times in ten. ")
        gain = summary["improvement_percent"]
        if gain is not None and noise["band90_percent"][0] <= gain <= noise["band90_percent"][1]:
            told += "The gain above lies within that band; only the comparison on equal specimens can tell it. "
    told += (f"With {bound['what']}, the resistance would be {words.resistance(bound)}: no process can go below that "
             "with these bulk phases")
    if best["sigma_eff_S_per_cm"]:
        share = 100 * best["sigma_eff_S_per_cm"] / bound["sigma_eff_S_per_cm"]
        told += f"; the best design reaches {words.number(share, 2)} % of that conductivity"
    return told + "."


def found(evidence: Evidence, designs: Sequence[Mapping[str, Any]], tables: Materials) -> list[str]:
    """What the best design is, and where its resistance and that of the reference sit."""
    summary = evidence.summary
    best, reference = summary["best"], summary["reference"]
    text = "The best design: " + "; ".join(
        f"{words.parameter(name)[0]} {words.value_of(best['parameters'], name)} {words.parameter(name)[1]}".strip()
        for name in evidence.spec.search if words.value_of(best["parameters"], name) != "–") + "."
    text += (f" Its area-specific resistance: {words.resistance(best)}; that of the reference: "
             f"{words.resistance(reference)}{_because(evidence)}.")
    sentences = [text]
    for design in designs[:2]:
        if design["asr_ohm_cm2"] is not None and (rows := shares([design])):
            name, (value,) = rows[0]
            share = 100 * (value or 0.0) / design["asr_ohm_cm2"]
            sentences.append(f"{'Most' if share > 50 else 'The largest part'} of the resistance of the "
                             f"{design['role']}{' design' * (design['role'] == 'best')} sits in: "
                             f"{words.place(tables, name)} ({words.number(share, 2)} %).")
    alone, interval = summary["coating_improvement_percent"], summary["coating_improvement_interval90_percent"]
    if alone is not None and interval is not None and best["parameters"]["coating"] != "bare":
        part = words.number(alone, words.digits(interval))
        verb = "conducts no differently, within the uncertainty," if interval[0] <= 0 <= interval[1] else \
            "conducts better" if alone > 0 else "conducts less well"
        sentences.append(f"With its coating the best design {verb} than without it, by {part} % "
                         f"(90 % interval {words.between(interval)} %).")
    if edge := [words.parameter(name)[0] for name, entry in evidence.spec.search.items()
                if isinstance(entry, FloatRange) and _at_edge(evidence.spec, name, best["parameters"])]:
        sentences.append(f"At the end of its searched range: {', '.join(edge)}. A better value may lie beyond.")
    return sentences


def _because(evidence: Evidence) -> str:
    """Why the pictured reference does not conduct, if it is known."""
    reasons = [picture.failure for picture in evidence.pictures if picture.role == "reference" and picture.failure]
    return f" ({reasons[0]})" if reasons else ""


def certainty(summary: Mapping[str, Any]) -> str:
    """What the interval is made of, and what it leaves out."""
    fresh = _count(summary["best"]["specimens"], "fresh specimen")
    rivals = _count(1 + len(summary["finalists"]), "finalist")
    return (f"Best and reference were compared on the same {fresh}, which the search had not used, so that its luck "
            f"does not count as a gain; the winner had been chosen among {rivals} on others. The interval says how "
            "much specimens differ from one another; it does not say how right the model is.")


def surrogate(evidence: Evidence) -> list[str]:
    """What the fast predictor was trained on, and how far its intervals can be believed."""
    card, check = evidence.summary["surrogate"]["card"], evidence.summary["surrogate"]["fresh_specimens"]
    sentences = ["A statistical model (the surrogate) ranked proposals so that fewer had to be solved; "
                 f"{evidence.summary['screened']} proposals were ranked and not solved. Every number above comes from "
                 "a finite-element solve, none from the surrogate."]
    if "graphs" in card:
        sentences.append(f"It was last trained on {card['graphs']} solved specimens of {card.get('groups', '–')} "
                         "designs.")
    if check["n"]:
        sentences.append(f"On {check['n']} fresh specimens, {words.number(100 * check['coverage90'])} % of its 90 % "
                         "intervals hold the computed value (90 % would be right), and its mean error is "
                         f"{words.number(check['mape_percent'])} %.")
    sentences.append("These specimens belong to the few designs that the search ended with, and share their seeds. "
                     "They were chosen by the search, not at random, so this is no held-out score of the surrogate.")
    if evidence.screening_suspended:
        sentences.append("For part of the search its ranking disagreed with the solves, and it was not asked.")
    return sentences + [str(note) for note in card.get("notes", [])]


def _range(name: str, entry: FloatRange | Choices) -> str:
    plain, unit = words.parameter(name)
    if isinstance(entry, Choices):
        return f"{plain} ({', '.join(entry.choices)})"
    return f"{plain} {words.given(entry.low)} to {words.given(entry.high)} {unit}".strip()


def _at_edge(spec: Spec, name: str, parameters: Mapping[str, Any]) -> bool:
    dimension = spec.space.dimensions[name]
    if name == "coating_thickness_nm" and parameters["coating"] == "bare":
        return False
    return not EDGE < dimension.encode(parameters[name]) < 1 - EDGE


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
