"""Segmentation of labelled micrographs of left-out specimens, beside a plain U-Net and a random forest.

    .venv/bin/python benchmarks/segmentation.py --data DIR --minutes 20 --members 4 --threads 2 --seeds 0 1 2

Specimens are dealt at random into three parts, and a seed leaves out one of them: three seeds test each specimen once.
All methods see the same images of the same specimens; the U-Nets train for the same time on the same number of cores:
with --members 4 --threads 2 ours are two nets side by side and then two more, for half the time each.
The plain U-Net has five levels from 12 channels and learns from flipped crops of 192 x 192 at a quarter of the
resolution; the forest has 60 trees on the multiscale features of scikit-image at half of it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from record import record
from torch import nn

from ssbray import rng
from ssbray.cluster.members import train_members
from ssbray.cluster.session import connect
from ssbray.segmentation import train
from ssbray.segmentation.augment import Augmentation
from ssbray.segmentation.calibrate import averaged
from ssbray.segmentation.example import Example
from ssbray.segmentation.fit import Training
from ssbray.segmentation.folder import Folder, open_folder
from ssbray.segmentation.scores import Tally

Predict = Callable[[Example], np.ndarray]
COARSE, HALF, CROP = 4, 2, 192


def ours(folder: Folder, stems: tuple[str, ...], found: train.Inputs, minutes: float, seed: int, members: int = 1,
         cores: int = 1, keep: Path | None = None) -> Predict:
    """The residual U-Nets of `train segmenter --upright --vary-materials 0.1 --members N`, not calibrated."""
    training = Training.suited(found.pixel_size_nm, minutes=minutes, augmentation=Augmentation.suited(
        found.pixel_size_nm, any_way_up=False, regions=0.1))
    if members == 1:
        trained = [train.member(str(folder.place), stems, found, seed, 0, training)]
    else:
        with connect(cpus=cores):
            trained = train_members(members, str(folder.place), stems, found, seed, training, "cpu")
    print("  ours", [figures for _, figures in trained], flush=True)
    parts = train.Split(train=stems, calibrate=(), test=())
    model = train.finish(folder, parts, found, training, trained, seed)
    if keep is not None:
        model.save(keep)

    def predict(example: Example) -> np.ndarray:
        labels = np.empty(example.labels.shape, dtype=np.uint8)
        for place, answers in model.logits(example.planes):
            each = [answer[: len(folder.names)] for answer in answers]
            labels[place] = averaged(each, 1.0).argmax(dim=0).numpy()
        return labels
    return predict


class Plain(nn.Module):
    """A U-Net as in Ronneberger et al. 2015 (arXiv 1505.04597), with batch normalisation."""

    def __init__(self, classes: int, base: int = 12, levels: int = 5) -> None:
        super().__init__()
        width = [base * 2**k for k in range(levels)]
        self.down = nn.ModuleList(self._block(1 if k == 0 else width[k - 1], width[k]) for k in range(levels))
        self.up = nn.ModuleList(self._block(width[k + 1] + width[k], width[k]) for k in range(levels - 1))
        self.out = nn.Conv2d(base, classes, 1)

    @staticmethod
    def _block(inside: int, outside: int) -> nn.Sequential:
        return nn.Sequential(*(layer for a in (inside, outside) for layer in (
            nn.Conv2d(a, outside, 3, padding=1, bias=False), nn.BatchNorm2d(outside), nn.ReLU())))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, 1, h, w) -> (n, classes, h, w)."""
        kept = []
        for k, block in enumerate(self.down):
            x = block(nn.functional.max_pool2d(x, 2) if k else x)
            kept.append(x)
        for k in reversed(range(len(self.up))):
            x = self.up[k](torch.cat([nn.functional.interpolate(x, scale_factor=2.0), kept[k]], dim=1))
        return self.out(x)


def plain(folder: Folder, stems: tuple[str, ...], found: train.Inputs, minutes: float, seed: int) -> Predict:
    """The plain U-Net."""
    torch.manual_seed(seed)
    random = rng.stream(seed, "plain")
    data = [(reduced(example.planes.images[0], COARSE), example.labels[COARSE // 2 :: COARSE, COARSE // 2 :: COARSE])
            for example in examples(folder, stems, found)]
    net = Plain(len(folder.names))
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    began, steps = time.monotonic(), 0
    while time.monotonic() - began < 60 * minutes:
        crops = []
        for k in random.integers(len(data), size=4):
            image, labels = data[k]
            top, left = (int(random.integers(max(1, side - CROP + 1))) for side in labels.shape)
            crop = (slice(top, top + CROP), slice(left, left + CROP))
            turn = slice(None, None, -1 if random.random() < 0.5 else 1)
            crops.append((image[crop][:, turn].copy(), labels[crop][:, turn].astype(np.int64)))
        x, y = (torch.from_numpy(np.stack(part)) for part in zip(*crops, strict=True))
        optimiser.zero_grad()
        nn.functional.cross_entropy(net(x[:, None]), y).backward()
        optimiser.step()
        steps += 1
    print("  plain", {"steps": steps, "seconds": time.monotonic() - began}, flush=True)
    net.eval()

    def predict(example: Example) -> np.ndarray:
        image = reduced(example.planes.images[0], COARSE)
        more = [(0, -side % 16) for side in image.shape]
        with torch.inference_mode():
            logits = net(torch.from_numpy(np.pad(image, more, mode="edge"))[None, None])
        return enlarged(logits[0, :, : image.shape[0], : image.shape[1]].argmax(dim=0).numpy(), example.labels.shape)
    return predict


def forest(folder: Folder, stems: tuple[str, ...], found: train.Inputs, minutes: float, seed: int) -> Predict:
    """A random forest on multiscale features, as scikit-image's trainable segmentation has it."""
    from skimage.feature import multiscale_basic_features
    from sklearn.ensemble import RandomForestClassifier

    def features(example: Example) -> np.ndarray:
        return np.asarray(multiscale_basic_features(reduced(example.planes.images[0], HALF), sigma_min=1, sigma_max=16))

    random = rng.stream(seed, "forest")
    rows, truth = [], []
    for example in examples(folder, stems, found):
        table = features(example)
        labels = example.labels[HALF // 2 :: HALF, HALF // 2 :: HALF][: table.shape[0], : table.shape[1]]
        for value in np.unique(labels):
            place = np.flatnonzero(labels.reshape(-1) == value)
            drawn = random.choice(place, size=min(4000, len(place)), replace=False)
            rows.append(table.reshape(-1, table.shape[-1])[drawn])
            truth.append(np.full(len(drawn), value))
    model = RandomForestClassifier(n_estimators=60, min_samples_leaf=5, n_jobs=1, random_state=seed)
    model.fit(np.concatenate(rows), np.concatenate(truth))

    def predict(example: Example) -> np.ndarray:
        table = features(example)
        labels = model.predict(table.reshape(-1, table.shape[-1])).reshape(table.shape[:2])
        return enlarged(labels, example.labels.shape)
    return predict


def examples(folder: Folder, stems: tuple[str, ...], found: train.Inputs) -> list[Example]:
    """Read them all."""
    return [folder.example(stem, found.images, found.elements) for stem in stems]


def reduced(image: np.ndarray, factor: int) -> np.ndarray:
    """Mean over blocks."""
    height, width = (side // factor * factor for side in image.shape)
    return image[:height, :width].reshape(height // factor, factor, width // factor, factor).mean(axis=(1, 3))


def enlarged(labels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Nearest label on a finer grid."""
    rows, columns = (np.minimum(np.arange(side) * small // side, small - 1)
                     for side, small in zip(shape, labels.shape, strict=True))
    return labels[rows[:, None], columns[None, :]].astype(np.uint8)


def left_out(folder: Folder, parts: int) -> list[train.Split]:
    """Splits by specimen; each specimen is tested once."""
    groups = rng.stream(0, "parts").permutation(sorted(set(folder.groups.values())))
    found = []
    for k in range(parts):
        test = set(groups[k::parts])
        found.append(train.Split(train=tuple(stem for stem, group in folder.groups.items() if group not in test),
                                 calibrate=(), test=tuple(stem for stem, group in folder.groups.items()
                                                          if group in test)))
    return found


def main() -> None:
    """Train, score, print, and write the table as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--parts", type=int, default=3)
    parser.add_argument("--methods", nargs="+", default=["ours", "plain", "forest"])
    parser.add_argument("--members", type=int, default=1, help="nets of ours: side by side, one a thread, and in turns "
                        "if there are more (a multiple of --threads leaves none idle)")
    parser.add_argument("--keep", type=Path, help="folder for our models")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    methods = {"ours": ours, "plain": plain, "forest": forest}
    folder = open_folder(options.data)
    found = train.inputs(folder, folder.stems)
    rows = []
    together = {name: Tally(folder.names) for name in options.methods}
    splits = left_out(folder, options.parts)
    for seed in options.seeds:
        parts = splits[seed % len(splits)]
        print(f"seed {seed}: left out {sorted({folder.groups[stem] for stem in parts.test})}", flush=True)
        tests = examples(folder, parts.test, found)
        for name in options.methods:
            began = time.monotonic()
            own: dict[str, Any] = {} if name != "ours" else {
                "members": options.members, "cores": options.threads, "keep": options.keep and options.keep / str(seed)}
            predict = methods[name](folder, parts.train, found, options.minutes, seed, **own)
            spent = time.monotonic() - began
            tally, by_image = Tally(folder.names), {}
            for stem, example in zip(parts.test, tests, strict=True):
                image = Tally(folder.names)
                image.add(predict(example), example.labels)
                tally, by_image[stem] = tally + image, image.scores()["iou"]
            scores = tally.scores()
            together[name] = together[name] + tally
            rows.append({"seed": seed, "method": name, "train_seconds": spent, "threads": options.threads, **scores,
                         "iou_by_image": by_image})
            print(f"  {name:<8} IoU " + ", ".join(f"{key} {value:.3f}" for key, value in scores["iou"].items())
                  + f"; trained {spent:.0f} s", flush=True)
            if options.out:
                Path(options.out).write_text(json.dumps(rows, indent=1))
    for name in options.methods:
        whole = together[name].scores()["iou"]
        own_rows = [row for row in rows if row["method"] == name]
        for key in folder.names:
            values = [row["iou"][key] for row in own_rows if row["iou"][key] is not None]
            single = [iou[key] for row in own_rows for iou in row["iou_by_image"].values() if iou[key] is not None]
            print(f"{name:<8} {key:<20} {np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f}), "
                  f"all images together {whole[key]:.3f}, mean over images {np.mean(single):.3f}")
    mean = {name: [row["mean_iou"] for row in rows if row["method"] == name] for name in options.methods}
    if "ours" in mean:
        record("segmentation", f"{len(folder.stems)} labelled images, {options.minutes:g} min", "mean IoU",
               float(np.mean(mean["ours"])), {name: float(np.mean(each)) for name, each in mean.items()
                                              if name != "ours"}, less_is_better=False,
               spread=f"({min(mean['ours']):.3f} to {max(mean['ours']):.3f})", note=f"{len(options.seeds)} parts")


if __name__ == "__main__":
    main()
