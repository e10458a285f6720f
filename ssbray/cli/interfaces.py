"""Options on thin interfaces: by pair of labels, by pair of grains, face by face, and layers that conduct along."""

from __future__ import annotations

import argparse
import math
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ssbray import units
from ssbray.cli import labels
from ssbray.domain import FloatArray, PhaseMap
from ssbray.errors import InputError
from ssbray.labelimage import read_integers

if TYPE_CHECKING:
    from ssbray.fea.thin import Interfaces

GRAIN_FORM = "GRAIN:GRAIN=OHM_CM2, e.g. --grain-interface 3:7=50"
SHEET_FORM = "LABEL:LABEL=S, e.g. --sheet 0:0=1e-9"
Pair = tuple[int, int]


def add_options(command: Any) -> None:
    """Declare the options."""
    command.add_argument("--grain-interface", action="append", metavar="G1:G2=OHM_CM2",
                         help="resistance between two grains, over --interface; needs --grains")
    command.add_argument("--interface-map", metavar="FILE.npz", help="arrays x, y[, z]: resistance (ohm cm2) of the "
                         "face from each pixel to the next along that axis, NaN where the other options hold")
    command.add_argument("--sheet", action="append", metavar="A:B=S",
                         help="sheet conductance (S/cm times cm) of a layer along the interface of two labels")


def read(args: argparse.Namespace, phase_map: PhaseMap, pairs: dict[Pair, float]) -> Interfaces:
    """Gather the interfaces of the options, in SI.

    Parameters
    ----------
    pairs : what --interface said: labels -> resistance [ohm m2].
    """
    from ssbray.fea.thin import Interfaces

    sheets: dict[Pair, float] = {}
    for key, value in labels.parse_pairs(args.sheet, "--sheet", SHEET_FORM).items():
        a, b = pair_of(key, "--sheet", SHEET_FORM, value)
        if not 0 <= value < math.inf:
            raise InputError("--sheet", f"{key}={value}", "a sheet conductance is a finite number of siemens, zero or "
                             "more")
        labels.check_known([(key, a), (key, b)], phase_map, "--sheet")
        _once(sheets, (a, b), "--sheet", key)
        if a == b and phase_map.grains is None:
            raise InputError("--sheet", key, "needs --grains to know where the boundaries are")
        sheets[a, b] = value
    faces = {} if args.interface_map is None else _faces(Path(args.interface_map), phase_map.labels.shape)
    return Interfaces(pairs=pairs, grains=_grains(args, phase_map), faces=faces, sheets=sheets)


def _grains(args: argparse.Namespace, phase_map: PhaseMap) -> dict[Pair, float]:
    """Resistances between single grains [ohm m2]."""
    entries = labels.parse_pairs(args.grain_interface, "--grain-interface", GRAIN_FORM)
    if not entries:
        return {}
    if phase_map.grains is None:
        raise InputError("--grain-interface", next(iter(entries)), "needs --grains FILE, the grain number of each "
                         "pixel")
    if int(read_integers(args.grains, "--grains").max()) >= 2**31:
        raise InputError("--grain-interface", next(iter(entries)), f"{args.grains} has grain numbers beyond 2^31 - 1, "
                         "which are renumbered when read: renumber them first")
    known = set(np.unique(phase_map.grains).tolist()) - {0}
    found: dict[Pair, float] = {}
    for key, value in entries.items():
        parts = key.split(":")
        if len(parts) != 2 or not all(part.isdecimal() for part in parts):
            raise InputError("--grain-interface", key, f"write it as {GRAIN_FORM}")
        a, b = sorted(map(int, parts))
        for grain in (a, b):
            if grain not in known:
                raise InputError("--grain-interface", key, f"no grain {grain} in {args.grains}")
        if a == b:
            raise InputError("--grain-interface", key, "name two different grains")
        if not value >= 0:
            raise InputError("--grain-interface", f"{key}={value}", "a resistance is zero or more; inf blocks")
        _once(found, (a, b), "--grain-interface", key)
        found[a, b] = units.ohm_m2(value)
    return found


def pair_of(key: str, option: str, form: str, value: float = 0.0) -> Pair:
    """Two labels in an option, ascending."""
    first, separator, second = key.partition(":")
    if not separator:
        raise InputError(option, f"{key}={value:g}", f"write it as {form}")
    a, b = sorted(labels.label_of(part, option, form) for part in (first, second))
    return a, b


def _once(table: dict[Pair, float], pair: Pair, option: str, key: str) -> None:
    if pair in table:
        raise InputError(option, key, f"{pair[0]}:{pair[1]} is given twice")


def _faces(path: Path, shape: tuple[int, ...]) -> dict[str, FloatArray]:
    """Resistances of single faces [ohm m2]; nothing is unpacked before its shape is known to fit."""
    option = "--interface-map"
    if path.suffix.lower() != ".npz" or not path.is_file():
        raise InputError(option, str(path), "no such .npz file")
    names = "xyz"[: len(shape)]
    found: dict[str, FloatArray] = {}
    try:
        with np.load(path, allow_pickle=False) as archive, zipfile.ZipFile(path) as members:
            for name in archive.files:
                if name not in names:
                    raise InputError(option, name, f"arrays are named by the normal of the faces: {', '.join(names)}")
                wanted = tuple(n - (d == len(shape) - 1 - names.index(name)) for d, n in enumerate(shape))
                with members.open(f"{name}.npy") as member:
                    given, _, kind = np.lib.format.read_array_header_1_0(member) if np.lib.format.read_magic(
                        member) == (1, 0) else np.lib.format.read_array_header_2_0(member)
                if given not in (wanted, shape):
                    raise InputError(option, f"{name}: {given}", f"must have the shape {wanted}: that of the labels, "
                                     f"one less along {name}")
                if kind.kind not in "fiu":
                    raise InputError(option, f"{name}: {kind}", "must hold numbers")
                values = np.array(archive[name], dtype=float)
                if (values < 0).any():
                    raise InputError(option, f"{name}: {float(np.nanmin(values)):g}", "a resistance is zero or more; "
                                     "NaN where the other options hold")
                found[name] = units.ohm_m2(1.0) * values
        if not found:
            raise InputError(option, str(path), f"holds no array: name them {', '.join(names)}")
    except InputError:
        raise
    except Exception as error:  # a damaged archive raises many kinds
        detail = " ".join(str(error).split())[:120]
        raise InputError(option, str(path), f"cannot be read as npz ({type(error).__name__}: {detail})") from None
    return found
