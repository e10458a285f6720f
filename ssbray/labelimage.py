"""Images and volumes of whole numbers, from files."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ssbray.errors import InputError

MAX_VOXELS = 2**31  #: 1290 cubed; beyond it a header is more likely wrong than true


def read_integers(path: str, field: str) -> np.ndarray:
    """An image or volume of whole numbers; (H, W) or (D, H, W), nothing about it changed."""
    array = _decode(Path(path), field)
    if array.ndim not in (2, 3) or array.size == 0:
        raise InputError(field, str(array.shape), f"{path}: need a non-empty (H, W) or (D, H, W) array of labels")
    if array.dtype == bool:
        array = array.astype(np.uint8)
    if not np.issubdtype(array.dtype, np.integer):
        raise InputError(field, str(array.dtype), f"{path}: labels are whole numbers: convert the image first")
    return array


def _decode(path: Path, field: str) -> np.ndarray:
    if not path.is_file():
        raise InputError(field, str(path), "no such file" if not path.exists() else "is not a file")
    suffix = path.suffix.lower()
    try:
        if suffix == ".npy":
            array = np.load(path, mmap_mode="r", allow_pickle=False)
            _bounded(array.shape, path, field)
            return np.array(array)
        if suffix in (".tif", ".tiff"):
            import tifffile

            with tifffile.TiffFile(path) as file:
                series = file.series[0]
                _bounded(series.shape, path, field)
                return _single_channel(series.asarray(), path, field)
        if suffix == ".png":
            from PIL import Image

            with Image.open(path, formats=("PNG",)) as image:
                _bounded(image.size, path, field)
                if image.mode not in ("1", "L", "P", "I", "I;16"):
                    raise InputError(field, image.mode, f"{path}: a colour image is no label image: store one channel")
                return np.array(image)
    except InputError:
        raise
    except Exception as error:  # readers raise many kinds for files that are not what their name says
        detail = " ".join(str(error).split())[:120]
        raise InputError(field, str(path), f"cannot be read as {suffix[1:].upper()} ({type(error).__name__}: {detail})"
                         ) from None
    raise InputError(field, str(path), "must be a .tif, .tiff, .png or .npy file")


def _single_channel(array: np.ndarray, path: Path, field: str) -> np.ndarray:
    if array.ndim == 3 and array.shape[-1] in (3, 4) and array.shape[0] > 4 and array.shape[1] > 4:
        raise InputError(field, str(array.shape), f"{path}: a colour image is no label image: store one channel")
    return array


def _bounded(shape: tuple[int, ...], path: Path, field: str) -> None:
    if math.prod(shape) > MAX_VOXELS:
        raise InputError(field, "x".join(map(str, shape)),
                         f"{path}: more than {MAX_VOXELS} voxels: crop it, or check its header")
