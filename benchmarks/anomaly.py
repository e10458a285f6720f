"""How well injected defects are told from sound specimens: AUROC and FPR95 by kind and severity, beside trivial scores.

    python benchmarks/anomaly.py --pool STORE --fresh STORE --out DIR [--train 400] [--hosts 48] [--without La2Zr2O7]

STORE    specimens of one spec, solved (`ssbray dataset build`); the two with different seeds
DIR      cases, graphs and models are kept here and not made again

A surrogate is trained on specimens of the pool. Hosts are fresh specimens; each gets every defect of
`ssbray.specimen.defects` at three severities, and what is true is solved anew. Sound are the other fresh
specimens. Scores know the graph of what is seen; those in the second part of the table know the solved value, too.
With `--without PHASE`, specimens with that phase in their pixels are neither learnt from nor scored (unless a
defect put it there).
"""

import argparse
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402

from ssbray import anomaly, fea, graph, materials, rng, surrogate  # noqa: E402
from ssbray.campaign import dataset  # noqa: E402
from ssbray.campaign.ledger import Ledger  # noqa: E402
from ssbray.campaign.task import Task, section  # noqa: E402
from ssbray.domain import FeatureGraph, FloatArray  # noqa: E402
from ssbray.files import write_json  # noqa: E402
from ssbray.specimen import defects  # noqa: E402
from ssbray.surrogate.descriptors import descriptors, standardise  # noqa: E402

CALIBRATION = 200  #: specimens of the pool, not learnt from, that calibrate the inconsistency
DRAWS, FEWER_DRAWS = 1000, 200  #: of the bootstrap, for AUROC and FPR95


@dataclass(frozen=True, eq=False, kw_only=True)
class Known:
    """What is not anomalous."""

    graphs: list[FeatureGraph]
    mean_ln: float  #: of ln sigma over the training set
    reference: anomaly.Reference
    inconsistency: FloatArray  #: of specimens that were not learnt from


@dataclass(frozen=True, eq=False, kw_only=True)
class Case:
    """One graph to be judged, and the conductivity of what is true."""

    host: str
    kind: str  #: "sound" or a defect
    severity: str
    graph: FeatureGraph
    sigma: float  #: [S/m]; 0 where nothing percolates


def hosts(store: Path, count: int) -> tuple[list[tuple[str, Task]], list[str]]:
    """Specimens to be spoilt, and the keys of the others."""
    with Ledger(store, write=False) as ledger:
        tasks = dict(sorted((outcome.key, task) for task, outcome in ledger.outcomes() if outcome.ok))
    keys = [list(tasks)[k] for k in rng.stream(0, "anomaly benchmark hosts").permutation(len(tasks))]
    return [(key, tasks[key]) for key in keys[:count]], keys[count:]


def spoil(chosen: Sequence[tuple[str, Task]], folder: Path) -> None:
    """Inject every defect into every host and solve; what is in the file already is left."""
    folder.mkdir(parents=True, exist_ok=True)
    journal = folder / "cases.jsonl"
    done = {(row["host"], row["kind"], row["severity"]) for row in rows(journal)}
    for number, (key, task) in enumerate(chosen):
        wanted = [(kind, severity) for kind in defects.KINDS for severity in defects.SEVERITIES
                  if (key, kind, severity) not in done]
        if not wanted:
            continue
        sound = section(task)
        tables = materials.load(dict(task.materials) or None)
        for kind, severity in wanted:
            defect = defects.inject(sound, kind, severity, rng.subseed(0, "anomaly benchmark defect", key, kind))
            seen = materials.assign(defect.seen, tables, task.temperature_C)
            true = materials.assign(defect.true, tables, task.temperature_C)
            sigma = {label: value * defect.factors.get(defect.true.phases[label], 1.0)
                     for label, value in true.conductivity.items()}
            solution = fea.solve(defect.true, sigma, true.interfaces, axis="y", rtol=task.rtol)
            name = f"{key[:16]}-{kind}-{severity}.npz".replace(" ", "-")
            graph.save(graph.build(defect.seen, seen.conductivity, seen.interfaces, axis="y"), folder / name)
            with journal.open("a") as file:
                file.write(json.dumps({"host": key, "kind": kind, "severity": severity, "graph": name,
                                       "sigma_S_per_m": solution.sigma_eff, "extent": defect.extent,
                                       "percolates": solution.percolates}) + "\n")
        print(f"host {number + 1}/{len(chosen)}", flush=True)


def rows(journal: Path) -> Iterator[dict[str, Any]]:
    """Lines of a journal; a last one that was cut short is no line."""
    if journal.exists():
        for line in journal.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                yield json.loads(line)


def learn(store: Path, count: int, without: str, folder: Path) -> tuple[surrogate.Surrogate, Known]:
    """The surrogate of the pool, and what it was trained and is calibrated on."""
    rows = [row for row in sorted(dataset.read(store), key=lambda row: row[0]) if not has(row[2], without)]
    order = [rows[k] for k in rng.stream(0, "anomaly benchmark training").permutation(len(rows))]
    train, rest = order[:count], order[count:count + CALIBRATION]
    if not (folder / "model.json").exists():
        losses = dataset.losses(store)
        surrogate.train([row[2] for row in train], [row[3] for row in train], groups=[row[1] for row in train],
                        losses=[losses[row[0]] for row in train], config=surrogate.TrainingConfig(members=4),
                        seed=0).save(folder)
    model = surrogate.Surrogate.load(folder)
    with np.errstate(divide="ignore"):
        unseen = anomaly.inconsistency(np.log([row[3] for row in rest]),
                                       *model.predict_arrays([row[2] for row in rest]))
    return model, Known(graphs=[row[2] for row in train], mean_ln=float(np.mean(np.log([row[3] for row in train]))),
                        reference=anomaly.Reference.of([anomaly.describe(row[2]) for row in train]),
                        inconsistency=unseen)


def has(one: FeatureGraph, phase: str) -> bool:
    """Whether a phase has pixels in a map."""
    return phase in one.phases and bool((one.phase == one.phases.index(phase)).any())


def scores(cases: Sequence[Case], model: surrogate.Surrogate, known: Known) -> dict[str, FloatArray]:
    """Each detector's score of each case, larger is stranger; what does not conduct is infinitely off."""
    graphs = [case.graph for case in cases]
    mean, epistemic, aleatoric = model.predict_arrays(graphs)
    with np.errstate(divide="ignore", invalid="ignore"):
        truth = np.log([case.sigma for case in cases])
        agree = np.isneginf(mean) & np.isneginf(truth)  # neither conducts
        off = np.where(agree, 0.0, np.abs(mean - truth))
        inconsistent = np.where(agree, 0.0, off / np.hypot(epistemic, aleatoric))
    away = np.abs(mean - known.mean_ln)
    told = [anomaly.describe(one) for one in graphs]
    new = known.reference.novelty(told)
    maps, own_maps = matrices(told, known)
    points, own = (standardise(descriptors(each), model.known) for each in (graphs, known.graphs))
    count, own_count = (np.log([one.size[0] for one in each]) for each in (graphs, known.graphs))
    degree, own_degree = (np.array([2 * one.size[1] / one.size[0] for one in each]) for each in (graphs, known.graphs))
    found = {
        "novelty": new,
        "node count": count,
        "node count, either way": np.abs(count - own_count.mean()),
        "mean degree": degree,
        "mean degree, either way": np.abs(degree - own_degree.mean()),
        "Mahalanobis, model's descriptors": mahalanobis(points, own),
        "Mahalanobis, map's descriptors": mahalanobis(maps, own_maps),
        "isolation forest, model's": forest(points, own),
        "isolation forest, map's": forest(maps, own_maps),
        "kNN, model's": anomaly.novelty(points, own),
        "kNN, map's": anomaly.novelty(maps, own_maps),
        "Var": epistemic**2,
        "|pred - mu|": away,
        "A = Var + |pred - mu|": epistemic**2 + away,
        "inconsistency": inconsistent,
        "|pred - solved|": off,
        "A = Var + |pred - solved|": epistemic**2 + off,
        "joint": anomaly.joint(anomaly.surprise(new, known.reference.own_novelty),
                               anomaly.surprise(inconsistent, known.inconsistency))}
    return found


def matrices(told: Sequence[Mapping[str, float]], known: Known) -> tuple[FloatArray, FloatArray]:
    """Descriptions as plain standardised columns."""
    names = sorted(set(known.reference.names).union(*told))
    column = {name: k for k, name in enumerate(known.reference.names)}
    own = np.stack([known.reference.values[:, column[name]] if name in column else np.zeros(len(known.graphs))
                    for name in names], axis=1)
    return standardise(np.array([[one.get(name, 0.0) for name in names] for one in told]), own), standardise(own, own)


def mahalanobis(points: FloatArray, own: FloatArray) -> FloatArray:
    """Distance to the mean in units of the covariance, ridge 1e-3."""
    inverse = np.linalg.inv(np.cov(own.T) + 1e-3 * np.eye(own.shape[1]))
    centred = points - own.mean(axis=0)
    return np.sqrt(np.einsum("ij,jk,ik->i", centred, inverse, centred))


def forest(points: FloatArray, own: FloatArray) -> FloatArray:
    """Isolation forest of 200 trees (Liu et al., ICDM 2008)."""
    from sklearn.ensemble import IsolationForest

    return np.asarray(-IsolationForest(n_estimators=200, random_state=0).fit(own).score_samples(points))


def judge(cases: Sequence[Case], found: Mapping[str, FloatArray]) -> dict[str, Any]:
    """AUROC and FPR95 of each detector by kind and severity; 95 % intervals from resampled hosts and sound maps."""
    sound = np.array([case.kind == "sound" for case in cases])
    keys = sorted({case.host for case in cases if case.kind in defects.KINDS})
    members: dict[tuple[str, str], list[int]] = {}
    for k, case in enumerate(cases):
        if case.kind != "sound":
            members.setdefault((case.kind, case.severity), []).append(k)
    cells = {cell: np.array(at) for cell, at in members.items()}
    random = rng.stream(0, "anomaly benchmark bootstrap")
    weight = {key: column for key, column in zip(keys, random.multinomial(
        len(keys), np.full(len(keys), 1 / len(keys)), DRAWS).T, strict=True)}
    n = int(sound.sum())
    of_sound = random.multinomial(n, np.full(n, 1 / n), DRAWS) / n
    own = {cell: random.multinomial(len(at), np.full(len(at), 1 / len(at)), DRAWS) for cell, at in cells.items()}
    table: dict[str, Any] = {}
    for name, score in found.items():
        base = score[sound]
        entries, draws = {}, []
        for (kind, severity), at in cells.items():
            value = score[at]
            wins = (value[:, None] > base) + 0.5 * (value[:, None] == base)
            hosts = (np.stack([weight[cases[k].host] for k in at], axis=1) if kind in defects.KINDS
                     else own[kind, severity])
            drawn = ((hosts / np.maximum(hosts.sum(axis=1, keepdims=True), 1)) @ wins * of_sound).sum(axis=1)
            rates = [fpr95(np.repeat(value, each), np.repeat(base, np.rint(n * other).astype(int)))
                     for each, other in zip(hosts[:FEWER_DRAWS], of_sound[:FEWER_DRAWS], strict=True) if each.sum()]
            entries[f"{kind}, {severity}"] = {
                "auroc": float(wins.mean()), "auroc95": np.percentile(drawn, [2.5, 97.5]).tolist(),
                "fpr95": fpr95(value, base), "fpr95_95": np.percentile(rates, [2.5, 97.5]).tolist(),
                "n": len(at), "prevalence": len(at) / (len(at) + n)}
            if kind in defects.KINDS:
                draws.append((float(wins.mean()), drawn, fpr95(value, base)))
        table[name] = {"cells": entries, "auroc": float(np.mean([one for one, _, _ in draws])),
                       "draws": np.mean([each for _, each, _ in draws], axis=0),
                       "fpr95": float(np.mean([rate for _, _, rate in draws]))}
    for entry in table.values():
        entry["auroc95"] = np.percentile(entry["draws"], [2.5, 97.5]).tolist()
        entry["joint_ahead95"] = np.percentile(table["joint"]["draws"] - entry["draws"], [2.5, 97.5]).tolist()
        entry["novelty_ahead95"] = np.percentile(table["novelty"]["draws"] - entry["draws"], [2.5, 97.5]).tolist()
    for entry in table.values():
        del entry["draws"]
    return table


def fpr95(value: FloatArray, base: FloatArray) -> float:
    """Share of the sound maps above the threshold that 95 % of the defective ones reach."""
    return float(np.mean(base >= np.sort(value)[int(0.05 * len(value))]))


def named(cases: Sequence[Case], known: Known, kind: str, phase: str) -> dict[str, float]:
    """How often the first reason, and any reason, names a phase."""
    told = [known.reference.reasons(anomaly.describe(case.graph)) for case in cases if case.kind == kind]
    return {"first": float(np.mean([bool(each) and phase in each[0] for each in told])),
            "any": float(np.mean([any(phase in one for one in each) for each in told])), "n": len(told)}


def false_alarms(cases: Sequence[Case], found: Mapping[str, FloatArray], known: Known) -> dict[str, float]:
    """Share of the sound specimens that are flagged at 5 %, by each score and by both with Bonferroni's factor."""
    sound = np.array([case.kind == "sound" for case in cases])
    p = {name: anomaly.p_values(found[name][sound], calibration) for name, calibration in (
        ("novelty", known.reference.own_novelty), ("inconsistency", known.inconsistency))}
    return {**{name: float(np.mean(each <= 0.05)) for name, each in p.items()},
            "joint": float(np.mean(2 * np.minimum(*p.values()) <= 0.05))}


def show(table: Mapping[str, Any]) -> None:
    """Print AUROC in per cent, mild / moderate / severe."""
    kinds = list(dict.fromkeys(cell.split(", ")[0] for cell in table["joint"]["cells"]))
    print(f"{'AUROC [%]':34}" + "".join(f"{kind[:17]:>19}" for kind in kinds)
          + f"{'mean':>20}{'FPR95':>7}{'joint ahead by':>18}")
    for name, entry in table.items():
        row = f"{name:34}"
        for kind in kinds:
            values = [cell["auroc"] for key, cell in entry["cells"].items() if key.split(", ")[0] == kind]
            row += f"{' / '.join(f'{100 * value:.0f}' for value in values):>19}"
        low, high = (100 * value for value in entry["auroc95"])
        ahead = [100 * value for value in entry["joint_ahead95"]]
        print(row + f"{100 * entry['auroc']:8.1f} [{low:.1f}, {high:.1f}]{100 * entry['fpr95']:7.0f}"
              f"  [{ahead[0]:+.1f}, {ahead[1]:+.1f}]")


def arguments() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", type=Path, required=True)
    parser.add_argument("--fresh", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--train", type=int, default=400)
    parser.add_argument("--hosts", type=int, default=48)
    parser.add_argument("--without", default="", help="phase that no training specimen has")
    return parser


def gather(options: argparse.Namespace, others: Sequence[str]) -> list[Case]:
    """Sound and spoilt cases, and with --without the fresh specimens that have the phase of themselves."""
    folder, phase = options.out / "cases", options.without
    fresh = {row[0]: row for row in dataset.read(options.fresh)}
    cases = [Case(host=key, kind=f"own {phase}" if has(fresh[key][2], phase) else "sound", severity="as grown",
                  graph=fresh[key][2], sigma=fresh[key][3]) for key in others]
    if phase:  # so that they are enough, those among the hosts as well, as they were
        cases += [Case(host=key, kind=f"own {phase}", severity="as grown", graph=fresh[key][2], sigma=fresh[key][3])
                  for key in sorted(set(fresh) - set(others)) if has(fresh[key][2], phase)]
    spoilt = [Case(host=row["host"], kind=row["kind"], severity=row["severity"],
                   graph=graph.load(folder / row["graph"]), sigma=row["sigma_S_per_m"])
              for row in rows(folder / "cases.jsonl")
              if row["host"] in fresh and not has(fresh[row["host"]][2], phase)]
    return cases + spoilt


def main() -> None:
    """Make the cases, learn, judge, print."""
    options = arguments().parse_args()
    chosen, others = hosts(options.fresh, options.hosts)
    spoil(chosen, options.out / "cases")
    tag = f"{options.train}-{'without-' + options.without if options.without else 'all'}"
    model, known = learn(options.pool, options.train, options.without, options.out / f"model-{tag}")
    cases = gather(options, others)
    found = scores(cases, model, known)
    table = judge(cases, found)
    print(f"{options.train} training specimens, {sum(case.kind == 'sound' for case in cases)} sound, "
          f"{table['joint']['cells']['crack, mild']['n']} of each kind and severity "
          f"(prevalence {table['joint']['cells']['crack, mild']['prevalence']:.2f})")
    show(table)
    alarms = false_alarms(cases, found, known)
    print("sound specimens at p <= 0.05:", json.dumps(alarms))
    reasons = {case.kind: named(cases, known, case.kind, "La2Zr2O7") for case in cases
               if case.kind == "reaction layer" or case.kind.startswith("own ")}
    print("La2Zr2O7 named:", json.dumps(reasons))
    write_json(options.out / f"table-{tag}.json", {"detectors": table, "sound flagged": alarms,
                                                   "La2Zr2O7 named": reasons})


if __name__ == "__main__":
    main()
