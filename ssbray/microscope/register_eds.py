"""Maps of X-ray counts against the image that was taken with them, without interpolating a count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ssbray.domain import FloatArray, Micrograph
from ssbray.microscope.register_views import Views, blocks, correlate, seen, views_of, whitened

CHANCE = 1e-3  #: probability with which noise alone may look like a shift
BLOCKS = 6  #: the field is cut into so many by so many blocks, whose scatter gives the standard error
PATCHES = 10  #: and into so many by so many patches, each predicted from the others
ROUGH = 25.0  #: the likelihood may be off by so many times its roughness from pixel to pixel
FOURTH = 70 ** 0.5  #: fourth differences of noise have this many times its standard deviation
FAR = 8.0  #: a region of able offsets has up to 4 times the variance of a Gaussian summit
AGREEMENT = 2.5  #: standard deviations by which the patches must agree; chance gives 2.5 or more to one in ten


@dataclass(frozen=True, eq=False, kw_only=True)
class EdsShift:
    """Where the maps lie against the image: what is at `p` in the image is at `p + shift` in the maps."""

    shift_nm: FloatArray  #: (2,) along y and x; NaN where there is no best one
    standard_error_nm: FloatArray  #: (2,)
    sure_nm: FloatArray  #: (2,) the part of the shift that is more than noise, by its principal directions
    significant: bool  #: whether any of it is
    reason: str | None  #: why it is not
    correlation: float  #: of the image with the best linear combination of the maps, 0..1
    counts_per_pixel: float  #: of all elements together; of whatever the maps hold, where they are not counts


def eds_shift(micrograph: Micrograph, *, reach_nm: float | None = None) -> EdsShift:
    """Shift of the maps of counts against the HAADF image, with its standard error.

    Sought is the shift at which the image has the highest mutual information with the maps (Viola and Wells 1997,
    10.1023/A:1007958904918), which for Gaussian signals is -1/2 ln(1 - R^2) per pixel, with R the correlation of the
    image with the linear combination of the maps that fits it best. The image is brought to the grid of the maps by
    averaging, at every offset; the counts stay as they are. The standard error is the larger one of Fisher's
    information and of the scatter between blocks of the field, as a model that fits badly has correlated residuals;
    along an interface, where nobody can tell, it is as wide as all the shifts that would do.

    Parameters
    ----------
    micrograph : with a "haadf" image and maps over the same field of view, each on a grid of its own.
    reach_nm : largest shift to consider; a sixteenth of the shorter side, and 12 pixels, unless given.

    Raises
    ------
    InputError
        without a HAADF image, without a map that varies, or when the field is too small for the reach.
    """
    views = views_of(micrograph, reach_nm)
    inner = whitened(views)
    whole = correlate(views, inner)
    gain = whole.gain
    top = np.unravel_index(int(np.argmax(gain)), gain.shape)
    centre = (np.array(gain.shape) - 1) // 2
    per_pixel = float(sum(float(np.mean(counts, dtype=np.float64)) for counts in micrograph.eds.values()))
    offset, curvature = _summit(gain, (int(top[0]), int(top[1])))
    limit = stats.chi2.isf(CHANCE / gain.size, len(views.maps))
    found, error, sure = np.full(2, np.nan), np.full(2, np.nan), np.zeros(2)
    reason: str | None = None
    at = np.array(top) - centre
    if 2 * gain[top] < limit or _agreement(views, inner, at) < AGREEMENT:
        reason = f"the image and the maps have nothing in common that chance has not ({per_pixel:.3g} counts per pixel)"
    elif curvature is None:
        reason = "no best shift within reach"
    else:
        found = at + offset
        covariance = _covariance(views, inner, at, curvature)
        covariance = covariance + _spread(gain, covariance)
        error = np.sqrt(np.diag(covariance))
        sure = _sure(found, covariance)
        if not sure.any():
            reason = "not more than its standard error allows"
    return EdsShift(shift_nm=found * views.pitch_nm, standard_error_nm=error * views.pitch_nm,
                    sure_nm=sure * views.pitch_nm, significant=reason is None, reason=reason,
                    correlation=float(np.sqrt(whole.r_squared[top])), counts_per_pixel=per_pixel)


def _summit(gain: FloatArray, top: tuple[int, int]) -> tuple[FloatArray, FloatArray | None]:
    """Top of the parabola through 3 x 3 points, and minus its curvature; None where it is no summit."""
    y, x = top
    if not (0 < y < gain.shape[0] - 1 and 0 < x < gain.shape[1] - 1):
        return np.zeros(2), None
    near = gain[y - 1:y + 2, x - 1:x + 2]
    slope = np.array([(near[2] - near[0]).mean() / 2, (near[:, 2] - near[:, 0]).mean() / 2])
    yy, xx = (near[0] - 2 * near[1] + near[2]).mean(), (near[:, 0] - 2 * near[:, 1] + near[:, 2]).mean()
    xy = (near[2, 2] - near[2, 0] - near[0, 2] + near[0, 0]) / 4
    curvature = -np.array([[yy, xy], [xy, xx]])
    if (np.linalg.eigvalsh(curvature) <= 0).any():
        return np.zeros(2), None
    return np.clip(np.linalg.solve(curvature, slope), -1, 1), curvature


def _covariance(views: Views, inner: FloatArray, at: NDArray[np.integer], curvature: FloatArray) -> FloatArray:
    """Covariance of the shift [pixels of the fine image squared]: curvature, or scatter of its slope over blocks."""
    rows, columns = seen(views, at)
    h, w = len(rows), len(columns)
    here = views.image[np.ix_(rows, columns)]
    slopes = np.array([views.image[np.ix_(rows - 1, columns)] - views.image[np.ix_(rows + 1, columns)],
                       views.image[np.ix_(rows, columns - 1)] - views.image[np.ix_(rows, columns + 1)]]) / 2
    here = here - here.mean()
    residual = here - ((inner @ here.ravel() / here.size) @ inner).reshape(h, w)
    left, whole = float((residual ** 2).mean()), float((here ** 2).mean())
    score = slopes * (here / whole - residual / left)  # of the log-likelihood, pixel by pixel
    block = blocks(h, w, BLOCKS)
    sums = np.array([np.bincount(block, each.ravel(), BLOCKS ** 2) for each in score])
    sums -= sums.mean(axis=1, keepdims=True)
    fisher = np.linalg.inv(curvature)
    scatter = fisher @ (sums @ sums.T) @ fisher * (BLOCKS ** 2 / (BLOCKS ** 2 - 1))
    return np.asarray(scatter if np.trace(scatter) > np.trace(fisher) else fisher, dtype=np.float64)


def _agreement(views: Views, inner: FloatArray, at: NDArray[np.integer]) -> float:
    """How far patches agree on what the maps say of the image, in standard deviations of what chance would give.

    Each patch is predicted by the combination of maps that fits all the others. Structures of the same texture that
    have nothing to do with each other correlate well over a field, but no two patches then agree how.
    """
    rows, columns = seen(views, at)
    patch = blocks(len(rows), len(columns), PATCHES)
    members = np.maximum(np.bincount(patch, minlength=PATCHES ** 2), 1)

    def within(values: FloatArray) -> FloatArray:
        return values - (np.bincount(patch, values, PATCHES ** 2) / members)[patch]

    here = within(views.image[np.ix_(rows, columns)].ravel())
    common = np.array([np.bincount(patch, within(each) * here, PATCHES ** 2) for each in inner])
    predicted = ((common.sum(axis=1, keepdims=True) - common) * common).sum(axis=0)
    scatter = float(np.sqrt((predicted ** 2).sum()))
    return float(predicted.sum()) / scatter if scatter > 0 else 0.0


def _spread(gain: FloatArray, base: FloatArray) -> FloatArray:
    """Covariance of all offsets that noise may have made the summit, along directions where it far exceeds `base`.

    Along a straight interface the likelihood is a rough ridge: noise makes sharp summits on it, each with a small
    standard error of its own.
    """
    roughness = max(float(np.median(np.abs(np.diff(gain, 4, axis=axis)))) for axis in (0, 1)) * 1.4826 / FOURTH
    able = np.argwhere(gain > gain.max() - 0.5 * stats.chi2.isf(CHANCE, 2) - ROUGH * roughness)
    value, directions = np.linalg.eigh(np.atleast_2d(np.cov(able.T, bias=True)))
    alone = np.einsum("id,ij,jd->d", directions, base, directions)
    return np.asarray(directions * np.where(value > FAR * alone + 1, value, 0.0) @ directions.T)


def _sure(found: FloatArray, covariance: FloatArray) -> FloatArray:
    """What is more than noise of a shift, along the principal directions of its covariance."""
    variance, directions = np.linalg.eigh(covariance)
    along = directions.T @ found
    kept = along ** 2 > variance * stats.f.isf(CHANCE / 2, 1, BLOCKS ** 2 - 1)
    return np.asarray(directions @ np.where(kept, along, 0.0))
