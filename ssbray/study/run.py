"""The study, stage after stage: samples, micrographs, segmenter, solves, surrogate, layer, campaigns, priors."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from ssbray.campaign.task import physics_version
from ssbray.codeversion import code_version
from ssbray.segmentation import Segmenter
from ssbray.study import gains, images, layer, prediction, samples, transport
from ssbray.study.diary import Content, Diary
from ssbray.study.samples import Sight
from ssbray.study.spec import Study
from ssbray.study.tools import Known, Tools
from ssbray.surrogate import Surrogate

BEST, BLIND, REFERENCE = "best", "layer overlooked", "reference"  #: roles of the designs that are compared
#: packages and modules whose code decides a stage, beside the physics of a solve
TAKING = (("microscope",), ("campaign/imaging.py", "study/images.py", "study/samples.py"))
SEEING = (("segmentation", "microscope", "analysis", "measure"),
          ("campaign/imaging.py", "campaign/through.py", "study/images.py", "study/transport.py"))
LEARNING = (("surrogate", "graph", "anomaly"), ("study/prediction.py", "study/layer.py", "study/samples.py"))
SEARCHING = (("surrogate", "anomaly", "annealing"), ("study/gains.py", *(f"campaign/{name}.py" for name in (
    "confirm", "judge", "loop", "meeting", "objective", "walk"))))


def run(study: Study, directory: Path, tools: Tools) -> dict[str, Content]:
    """Do what is not done yet; returns the content of every stage, by name.

    What the stages keep lies beside them: `micrographs`, `segmenter`, `ledger.sqlite` with every solve, `surrogate`,
    `layer`, and the two campaigns.
    """
    diary, seed = Diary(directory), study.seed
    every, spec = samples.sights(study), study.imaged
    place = {name: directory / name for name in ("micrographs", "segmenter", "surrogate", "layer")}
    physics, imaged = physics_version(), study.model_dump(mode="json", include={"seed", "samples", "images"})
    taking, seeing, learning, searching = (code_version(*each) for each in (TAKING, SEEING, LEARNING, SEARCHING))
    found: dict[str, Content] = {}
    made_from = {"imaged": imaged, "physics": physics, "code": taking}
    found["micrographs"] = diary.stage("micrographs", made_from, lambda: images.take(
        every, spec.microscope, place["micrographs"], tools, made_from))
    found["segmenter"] = diary.stage("segmenter", [study.segmenter.model_dump(), seeing], lambda: images.learn(
        place["micrographs"], place["segmenter"], study.segmenter, seed, tools), after=("micrographs",))
    found["segmentation"] = diary.stage("segmentation", seeing, lambda: images.judge(
        place["micrographs"], place["segmenter"]), after=("segmenter",))
    parts = found["parts"] = found["segmenter"]["parts"]
    found["transport"] = diary.stage("transport", [physics, seeing], lambda: transport.solve(
        every, parts["test"], spec, place["segmenter"], directory, tools), after=("segmenter",))
    shown = samples.of(every, parts["test"])[: study.voltage.images]
    found["voltage"] = diary.stage("voltage", [study.voltage.model_dump(), physics, seeing], lambda: (
        transport.voltages(shown, study.voltage.applied_mV, tools)), after=("segmenter",))
    unseen = samples.fresh(spec, study.images, study.surrogate.fresh, seed, "fresh")
    found["fresh"] = diary.stage("fresh", [imaged, study.surrogate.fresh, physics, learning], lambda: (
        prediction.solve_fresh(unseen, directory, tools)))
    found |= _learnt(study, diary, found, every, place["surrogate"], directory, tools, learning)
    worlds = [study.layer.model_dump(), study.surrogate.config, study.campaign, study.blind, seed, physics, learning]
    found["layer"] = diary.stage("layer", worlds, lambda: layer.find(
        study.aware, study.unaware, study.layer.phase, study.layer.known, study.layer.judged, study.surrogate.config,
        seed, directory, place["layer"], tools))
    found |= _searched(study, diary, directory, tools, f"{physics} {searching}")
    found["about"] = {"name": study.name, "seed": seed, "digest": study.digest, "physics_version": physics,
                      "seconds": diary.seconds(), "again": diary.again,
                      "models": {"segmenter": Segmenter.load(place["segmenter"]).version,
                                 "surrogate": Surrogate.load(place["surrogate"]).version}}
    return found


def _learnt(study: Study, diary: Diary, found: dict[str, Content], every: list[Sight], place: Path, store: Path,
            tools: Tools, code: str) -> dict[str, Content]:
    """Train the surrogate on the learning samples, and try it on the others and on fresh ones."""
    rows, fresh = found["transport"]["seen"], found["fresh"]["rows"]
    groups = {name: {each.stem: each.sample for each in samples.of(every, found["segmenter"]["parts"][name])}
              for name in ("train", "test")}
    wanted = study.surrogate
    trained = diary.stage("surrogate", [wanted.model_dump(exclude={"fresh"}), code], lambda: prediction.learn(
        store, rows, groups["train"], wanted.config, wanted.trials, study.seed, place, tools), after=("transport",))

    def judged() -> Content:
        train = prediction.of(store, rows, groups["train"])
        tests: dict[str, Known] = {"test images": prediction.of(store, rows, groups["test"]),
                                   "fresh specimens": prediction.of(store, fresh, {stem: stem for stem in fresh})}
        return prediction.judge(store, place, train, tests, study.seed)

    return {"surrogate": trained,
            "prediction": diary.stage("prediction", code, judged, after=("surrogate", "fresh"))}


def _searched(study: Study, diary: Diary, directory: Path, tools: Tools, code: str) -> dict[str, Content]:
    """The campaign that knows the layer and the one that overlooks it; their designs under all laws, and other ones."""
    aware, blind, found = study.aware, study.unaware, {}
    for name, spec in (("aware", aware), ("blind", blind)):
        found[name] = diary.stage(name, [spec.digest, code], partial(tools.campaign, spec, directory))
    designs: dict[str, dict[str, Any]] = {
        BEST: found["aware"]["best"]["parameters"], BLIND: found["blind"]["best"]["parameters"],
        REFERENCE: aware.reference_design.model_dump()}
    found["gain"] = diary.stage("gain", [code, aware.confirm.specimens], lambda: gains.compare(
        aware, designs, BEST, aware.confirm.specimens, directory, tools), after=("aware", "blind"))
    found["priors"] = diary.stage("priors", [code, study.priors.model_dump(), study.campaign], lambda: (
        gains.sensitivity(study, designs, BEST, directory, tools)), after=("gain",))
    return found
