"""Which format a file has, by its first bytes; the suffix only decides where bytes cannot."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from ssbray.errors import InputError

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
SUFFIXES = {  # what a suffix promises
    ".tif": "tiff", ".tiff": "tiff", ".png": "picture", ".jpg": "picture", ".jpeg": "picture", ".emd": "hdf5",
    ".h5": "hdf5", ".hdf5": "hdf5", ".hspy": "hdf5", ".dm3": "gatan", ".dm4": "gatan", ".ser": "tia", ".mrc": "mrc",
    ".map": "mrc", ".rec": "mrc"}
FOREIGN = {  # suffixes that the adapter may read
    ".bcf": "Bruker BCF", ".pts": "JEOL PTS", ".rpl": "Ripple", ".blo": "Blockfile", ".emi": "TIA EMI",
    ".spc": "EDAX SPC", ".spd": "EDAX SPD", ".elid": "Phenom ELID", ".prz": "Swift PRZ", ".eds": "JEOL EDS",
    ".asw": "JEOL ASW", ".sur": "Digital Surf", ".pro": "Digital Surf", ".unf": "SEMPER", ".nxs": "NeXus",
    ".mrcz": "MRCZ", ".img": "JEOL image"}
SIGNED = (".bcf", ".blo")  #: suffixes of FOREIGN whose files begin with bytes of their own
MAGIC = [  # (offset, bytes, format, in words)
    (0, b"II*\0", "tiff", "TIFF"), (0, b"MM\0*", "tiff", "TIFF"), (0, b"II+\0", "tiff", "BigTIFF"),
    (0, b"MM\0+", "tiff", "BigTIFF"), (0, b"\x89PNG\r\n\x1a\n", "picture", "PNG"),
    (0, b"\xff\xd8\xff", "picture", "JPEG"), (0, b"II\x97\x01", "tia", "TIA SER"),
    (0, b"AAMVHFSS", "foreign", "Bruker BCF"),
    (0, b"IMGBLO", "foreign", "Blockfile"), (208, b"MAP ", "mrc", "MRC"), (208, b"MAP\0", "mrc", "MRC"),
    (0, b"GIF8", "no", "a GIF picture"), (0, b"BM", "no", "a Windows bitmap"), (0, b"%PDF", "no", "a PDF document"),
    (0, b"PK\x03\x04", "no", "a ZIP archive (unpack it first)"), (0, b"\x1f\x8b", "no", "gzip data (unpack it first)"),
    (0, b"BZh", "no", "bzip2 data (unpack it first)"), (0, b"7z\xbc\xaf", "no", "a 7z archive (unpack it first)"),
    (0, b"\x93NUMPY", "no", "a numpy array (save it as TIFF with a pixel size)"), (0, b"\x7fELF", "no", "a program"),
    (0, b"RIFF", "no", "a RIFF file (WebP, AVI or sound)"), (0, b"\0\0\0\x0cjP  ", "no", "a JPEG 2000 picture"),
    (0, b"<?xml", "no", "an XML document"), (0, b"<!DOCTYPE", "no", "a web page"), (0, b"<html", "no", "a web page"),
    (0, b"SQLite format 3", "no", "an SQLite database"),
    (0, b"\x80\x04\x95", "no", "a Python pickle, which is never read")]


def recognise(path: Path) -> tuple[str, str]:
    """Say which reader a file is for, and the format in words.

    Returns
    -------
    reader, words : reader is "tiff", "picture", "hdf5", "gatan", "tia", "mrc", "zarr" or "foreign".

    Raises
    ------
    InputError : a file that nothing here reads, with what it really is.
    """
    suffix = path.suffix.lower()
    if path.is_dir():
        if any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray")):
            return "zarr", "Zarr"
        raise InputError("file", path.name, "is a directory and no Zarr store: give a file")
    with open(path, "rb") as handle:
        head = handle.read(4096)
        if _hdf5(handle, path.stat().st_size):
            return "hdf5", "HDF5"
    if _digital_micrograph(head):
        return "gatan", f"DM{head[3]}"
    if suffix in FOREIGN and suffix not in SIGNED and not any(head[at:at + len(magic)] == magic for at, magic, _,
                                                              _ in MAGIC):
        return "foreign", FOREIGN[suffix]
    for at, magic, reader, words in MAGIC:
        if head[at:at + len(magic)] == magic:
            if reader == "no":
                raise InputError("file", path.name, f"is {words}, not a micrograph")
            return reader, words
    promised = f"the suffix says {suffix[1:].upper()}, but " if suffix in SUFFIXES else ""
    raise InputError("file", path.name, f"{promised}its first bytes ({_looks(head)}) are of no format read here: "
                     "give TIFF, PNG, JPEG, EMD, DM3/DM4, SER, MRC, HSPY, ZSPY or OME-Zarr")


def _hdf5(handle: BinaryIO, size: int) -> bool:
    """HDF5 allows a block of the user's own before its signature: at 0, 512, 1024, 2048 ..."""
    at = 0
    while at < min(size, 1 << 20):
        handle.seek(at)
        if handle.read(8) == HDF5_SIGNATURE:
            return True
        at = 512 if at == 0 else at * 2
    return False


def _digital_micrograph(head: bytes) -> bool:
    """A version of 3 or 4 and a byte order of 0 or 1, all as big-endian numbers."""
    if head[:4] == b"\0\0\0\3":
        return head[8:11] == b"\0\0\0" and head[11:12] in (b"\0", b"\1")
    if head[:4] == b"\0\0\0\4":
        return head[12:15] == b"\0\0\0" and head[15:16] in (b"\0", b"\1")
    return False


def _looks(head: bytes) -> str:
    """First bytes in words."""
    sample = head[:512]
    if not any(sample):
        return "all zero"
    text = sample.decode("utf-8", errors="replace")
    if sum(c.isprintable() or c.isspace() for c in text) > 0.95 * len(text) and "\ufffd" not in text[:-1]:
        return "plain text"
    return " ".join(f"{byte:02x}" for byte in head[:8])
