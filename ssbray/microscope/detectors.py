"""Detectors by the few names that the rest of ssbray knows."""

from __future__ import annotations

import re

from ssbray.microscope.signal import Layer

NAMES = {  # as vendors spell them, without digits and signs
    "haadf": "haadf", "adf": "adf", "maadf": "adf", "laadf": "adf", "bf": "bf", "abf": "bf", "brightfield": "bf",
    "df": "df", "bfs": "bf", "dfs": "df", "dfi": "df", "dfo": "df", "dfp": "df",
     "darkfield": "df", "bse": "bse", "bsd": "bse", "qbsd": "bse", "hdbsd": "bse",
    "aztecbsd": "bse", "abs": "bse", "cbs": "bse", "vcd": "bse", "esb": "bse", "asb": "bse",
    "ntsbsd": "bse", "dbs": "bse", "md": "bse", "backscatteredelectron": "bse", "backscatteredelectrons": "bse",
    "se": "se", "etd": "se", "hesi": "se", "sei": "se", "inlens": "se", "vpse": "se", "sed": "se", "lei": "se",
    "secondaryelectron": "se", "secondaryelectrons": "se"}

WORDS = ("HAADF", "ADF", "ABF", "BF", "DF", "BSE", "SE")  #: a detector also where other words stand beside them


def key(detector: str | None) -> str:
    """The name of an image in a micrograph, from its detector as the vendor spells it.

    >>> key("HAADF"), key("DF-S"), key("InLens"), key("SE2"), key("Ceta 1"), key(None)
    ('haadf', 'df', 'se', 'se', 'image', 'image')
    """
    if not detector:
        return "image"
    text = re.sub(r"[^a-z]", "", detector.lower())
    words = {NAMES[word.lower()] for word in re.findall(r"[A-Za-z]+", detector) if word in WORDS}
    return NAMES.get(text) or (words.pop() if len(words) == 1 else "image")


def distinct(images: list[Layer]) -> dict[str, Layer] | None:
    """Name images by detector; segments such as DF2 and DF4 keep their digits. None if two have one name."""
    plain = {layer.key: layer for layer in images}
    if len(plain) == len(images):
        return plain
    named: dict[str, Layer] = {}
    for layer in images:
        shared = sum(other.key == layer.key for other in images) > 1
        own = re.sub(r"[^a-z0-9]", "", (layer.detector or "").lower()) if layer.key != "image" else ""
        named[own if shared and own else layer.key] = layer
    return named if len(named) == len(images) else None
