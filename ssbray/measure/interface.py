"""The line on which electrolyte and cathode face each other, and what lies on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ssbray.domain import FloatArray
from ssbray.measure.contact import Contact
from ssbray.measure.line import REACH, Line, trace
from ssbray.measure.rays import walk
from ssbray.measure.roles import CATHODE, ELECTROLYTE, LAYER, PORE

SIGHT = 0.5  #: of the median thickness of all layers, over which a normal is estimated; at least `line.REACH`
ROOT = 1.5  #: widths of a pore within which it counts as a gap of the cathode's outline
GRACE = 1.5  #: pixels from the line on which a ray cannot stop: a staircase leaves its line by up to 0.7 pixels
DIRECT, LAYERED, GAP = 0, 1, 2  #: state of a point of the interface


@dataclass(frozen=True, eq=False, kw_only=True)
class Interface:
    """The outline of the cathode and its gaps, from which rays along the normal look for the electrolyte."""

    line: Line
    faces: NDArray[np.bool_]  #: (n,) whether the ray ends in electrolyte: the rest is not interface
    weight: FloatArray  #: (n,) length across the rays that the point stands for, 0 where it is no interface [pixels]
    state: NDArray[np.int64]  #: (n,) `DIRECT`, `LAYERED` or `GAP`
    thickness: FloatArray  #: (n, n_phases) length of the ray within each layer, 0 for other phases [pixels]


def find_interface(labels: NDArray[np.uint8], part: NDArray[np.uint8], contact: Contact) -> Interface:
    """Trace the cathode, with the gaps that touch it, and walk along the normals through the layers.

    The mean over the points of a straight line, and of any curve parallel to the layer, is free of
    the error of a single ray: the rays cover the layer evenly, so that they measure its area. The
    normals are those of the line over `SIGHT` of the layer's thickness, since what is rough on a smaller
    scale does not turn a layer.

    Parameters
    ----------
    labels : (H, W) phases.
    part : (n_phases,) part that each plays.
    contact : of the same map.
    """
    parts = part[labels]
    body = _closed(parts, contact)
    line = trace(body)
    code = np.where(body, len(part), labels).astype(np.uint8)  # the body as one more label
    opened = parts.reshape(-1)[line.inside] == PORE

    def look(seen: Line) -> Interface:
        stops = np.append((part != LAYER) & (part != PORE), True)
        outward = walk(code, seen.point, seen.normal, stops=stops, grace=GRACE)
        thickness = np.where(part == LAYER, outward.passed[:, :-1], 0.0)
        found = (outward.end >= 0) & (outward.end < len(part))
        faces = found.copy()
        faces[found] = part[outward.end[found]] == ELECTROLYTE
        state = np.where(opened, GAP, np.where(thickness.sum(axis=1) > 0, LAYERED, DIRECT))
        return Interface(line=line, faces=faces, state=state, thickness=thickness,
                         weight=np.where(faces, np.maximum(seen.length, 0.0), 0.0))

    near = look(line)
    covered = near.thickness.sum(axis=1)[near.faces]
    sight = SIGHT * float(np.median(covered[covered > 0])) if (covered > 0).any() else 0.0
    return look(line.seen_from(sight)) if sight > REACH else near


def _closed(parts: NDArray[np.uint8], contact: Contact) -> NDArray[np.bool_]:
    """The cathode and what of its pores lies near it: a gap as a whole, of a crack that leads away only the root.

    A slit of width w has the area w times half its outline; `ROOT` times w is near.
    """
    body = parts == CATHODE
    outline = contact.cathode_pore + contact.electrolyte_pore + contact.layer_pore
    area = np.bincount(contact.pores.reshape(-1), minlength=len(outline))
    width = np.divide(2 * area, outline, out=np.zeros(len(outline)), where=outline > 0)
    gap = contact.on_cathode & (contact.gap > 0)
    row, column = np.nonzero(gap[contact.pores])
    if len(row) == 0:
        return body
    ground = np.stack(np.divmod(np.unique(contact.ground), parts.shape[1]), axis=1)
    limit = ROOT * width[contact.pores[row, column]] + 1
    away = cKDTree(ground).query(np.stack([row, column], axis=1))[0]
    near = away <= limit
    body[row[near], column[near]] = True
    return body
