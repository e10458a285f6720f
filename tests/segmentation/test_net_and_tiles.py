"""The net: tiles agree with the whole, inputs are what they say, nothing depends on what is absent."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch

from ssbray import rng
from ssbray.domain import Micrograph
from ssbray.errors import InputError
from ssbray.segmentation import residual
from ssbray.segmentation.inputs import gathered, normalised, planes
from ssbray.segmentation.model import Segmenter
from ssbray.segmentation.net import STRIDE, UNIT, Net, Size, folded, placed, reach
from ssbray.segmentation.pieces import pieces
from ssbray.segmentation.tile import logits
from ssbray.segmentation.together import segment_all

SMALL = Size(context=4, coarse=4, fine=4, widest=8)


@pytest.fixture(scope="module")
def net():
    """An untrained net whose normalisation has seen something, so that it does not do nothing."""
    torch.manual_seed(0)
    net = Net(2, 3, 4, SMALL)
    net.train()
    with torch.no_grad():
        for _ in range(3):
            net(torch.randn(2, 4, 128, 128), torch.randn(2, 13, 32, 32))
    return placed(net.eval(), "cpu")


def micrograph(shape, seed=0, elements=("La", "Ni", "O")):
    random = rng.stream(seed, "micrograph")
    return Micrograph(images={name: random.normal(size=shape).astype(np.float32) for name in ("haadf", "bf")},
                      eds={name: random.poisson(0.4, shape).astype(np.float32) for name in elements},
                      pixel_size_nm=2.0)


def whole(net, found, **options):
    answer = np.full((9, *found.images.shape[1:]), np.nan, dtype=np.float32)
    for place, (part,) in logits([net], found, **options):
        answer[(slice(None), *place)] = part.numpy()
    return answer


@pytest.mark.parametrize("shape", [(200, 331), (64, 64), (257, 130), (30, 900), (5, 7)])
def test_tiles_agree_with_the_whole(net, shape):
    found = planes(micrograph(shape), ("haadf", "bf"), ("La", "Ni", "O"))
    once = whole(net, found, tile=None)
    assert np.isfinite(once).all()
    scale = np.abs(once).max()
    for tile in (64, 128):
        assert np.abs(whole(net, found, tile=tile) - once).max() <= 1e-5 * scale


def test_the_coarse_part_in_pieces_agrees_with_the_whole(net):
    # the image is longer than the halo, so that pieces do not see all of it
    length = 3 * UNIT + 2 * (-(-reach()[0] // UNIT)) * UNIT
    found = planes(micrograph((64, length)), ("haadf", "bf"), ("La", "Ni", "O"))
    once = whole(net, found, tile=None)
    cut = whole(net, found, tile=64, coarse=UNIT // STRIDE)
    assert np.abs(cut - once).max() <= 1e-5 * np.abs(once).max()


@pytest.mark.parametrize("side", [2, 6, 8])
def test_blocks_in_pieces_answer_as_in_one(net, monkeypatch, side):
    cells = torch.rand(2, 13, 96, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        features, answers = net.coarse(cells)
        monkeypatch.setattr(residual, "SIDE", side)
        for found, once in zip(net.coarse(cells), (features, answers), strict=True):
            assert (found - once).abs().max() <= 1e-5 * once.abs().max()
        monkeypatch.setattr(residual, "HALO", 0)
        assert (net.coarse(cells)[0] - features).abs().max() > 1e-3 * features.abs().max()


def test_cells_that_cannot_be_halved_so_often_are_no_silent_crop(net):
    with pytest.raises(ValueError, match="different shapes"):
        net.coarse(torch.rand(1, 13, 48, 48))


def test_a_block_that_learns_sees_the_whole(net, monkeypatch):
    cells = torch.rand(2, 13, 96, 64, generator=torch.Generator().manual_seed(2))
    once = deepcopy(net).train().coarse
    once.apply(lambda part: setattr(part, "p", 0.0) if isinstance(part, torch.nn.Dropout2d) else None)
    features = once(cells)[0]
    monkeypatch.setattr(residual, "SIDE", 8)
    assert torch.equal(once(cells)[0], features)


def test_a_halo_shorter_than_the_reach_would_be_noticed(net, monkeypatch):
    from ssbray.segmentation import tile

    monkeypatch.setattr(tile, "reach", lambda: (0, 4))
    found = planes(micrograph((192, 192)), ("haadf", "bf"), ("La", "Ni", "O"))
    assert np.abs(whole(net, found, tile=64) - whole(net, found, tile=None)).max() > 1e-4


def test_the_reach_of_the_coarse_part_is_no_less_than_measured(net):
    cells = torch.rand(1, 13, 32, 1024, generator=torch.Generator().manual_seed(0)).requires_grad_()
    features, _ = net.coarse(cells)
    features[0, :, 16, 512].sum().backward()
    touched = np.flatnonzero(cells.grad[0].abs().sum(dim=(0, 1)).numpy())
    assert (max(512 - touched[0], touched[-1] - 512)) * STRIDE <= reach()[0]


def test_folded_nets_answer_as_they_were_trained(net):
    random = torch.Generator().manual_seed(5)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # as after training: no normalisation is the identity
            for value in (module.weight, module.bias, module.running_mean):
                value.data.copy_(0.5 + torch.rand(value.shape, generator=random))
            module.running_var.copy_(0.2 + torch.rand(module.running_var.shape, generator=random))
    images, cells = torch.rand(1, 4, 128, 128, generator=random), torch.rand(1, 13, 32, 32, generator=random)
    with torch.inference_mode():
        fast, own = folded(net)(images, cells), net(images, cells)
    for each, other in zip(fast, own, strict=True):
        assert float((each - other).abs().max()) < 1e-5 * float(other.abs().max())
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded(net).modules())
    assert any(isinstance(module, torch.nn.BatchNorm2d) for module in net.modules())


@pytest.mark.parametrize(("shape", "tile"), [((130, 70), 64), ((64, 64), 64), ((1, 1), 8)])
def test_pieces_cover_each_pixel_once(shape, tile):
    count = np.zeros(shape, dtype=int)
    for piece in pieces(shape, tile, 8):
        count[piece.place] += 1
        inside = count[piece.top : piece.bottom, piece.left : piece.right][piece.core]
        assert inside.shape == count[piece.place].shape
    assert (count == 1).all()


def test_absent_inputs_do_not_leak(net):
    """What is marked absent is zero, whatever the file held; and absence is said."""
    full = micrograph((64, 64))
    bare = Micrograph(images={"haadf": full.images["haadf"]}, pixel_size_nm=2.0)
    found = planes(bare, ("haadf", "bf"), ("La", "Ni", "O"))
    assert found.has_image.tolist() == [1, 0]
    assert found.has_element.tolist() == [0, 0, 0]
    assert not found.images[1].any()
    assert not found.elements.any()


def test_normalisation_ignores_gain_and_offset():
    image = rng.stream(0, "image").normal(size=(64, 96)).astype(np.float32)
    assert np.allclose(normalised(image), normalised(3.5 * image + 40), atol=1e-4)


@pytest.mark.parametrize("grid", [(64, 96), (32, 48), (16, 24), (10, 30), (7, 11)])
def test_counts_are_kept_on_every_grid(grid):
    counts = rng.stream(0, "counts").poisson(3.0, grid).astype(np.float32)
    cells = gathered(counts, (64, 96))
    assert cells.shape == (16, 24)
    assert float(cells.sum()) * STRIDE**2 == pytest.approx(float(counts.sum()), rel=1e-5)


def test_counts_of_a_last_narrow_cell_are_per_pixel():
    cells = gathered(np.ones((6, 6), dtype=np.float32), (6, 6))
    assert np.allclose(cells, 1.0)


def model_of(net, **options):
    return Segmenter(nets=(net,), classes=("a", "b", "c", "d"), images=("haadf", "bf"), elements=("La", "Ni", "O"),
                     size=SMALL, pixel_size_nm=2.0, **options)


def test_segmentation_sums_to_one_and_is_the_same_in_tiles(net):
    model, image = model_of(net), micrograph((150, 210))
    once, cut = model.segment(image, tile=None), model.segment(image, tile=64)
    assert np.allclose(once.probability.sum(axis=0), 1, atol=1e-5)
    assert np.abs(once.probability - cut.probability).max() <= 1e-5
    assert (once.labels == cut.labels).all()


@pytest.mark.parametrize("axes", [(1,), (0,), (0, 1)])
def test_from_all_sides_a_mirrored_image_gives_the_mirrored_answer(net, axes):
    size = (UNIT * 2, UNIT * 3)  # no padding, which comes below and to the right
    image = micrograph(size)
    turned = Micrograph(images={name: np.flip(plane, axes) for name, plane in image.images.items()},
                        eds={name: np.flip(plane, axes) for name, plane in image.eds.items()},
                        pixel_size_nm=image.pixel_size_nm)
    shares = {count: [model_of(net, orientations=count).segment(each).probability for each in (image, turned)]
              for count in (1, 4)}
    assert np.abs(np.flip(shares[4][1], [axis + 1 for axis in axes]) - shares[4][0]).max() <= 1e-5
    assert np.abs(np.flip(shares[1][1], [axis + 1 for axis in axes]) - shares[1][0]).max() > 1e-4


def test_all_sides_are_the_same_in_tiles_and_their_mean_is_that_of_single_ones(net):
    model, image = model_of(net, orientations=4), micrograph((150, 210))
    once, cut = model.segment(image, tile=None), model.segment(image, tile=64)
    assert np.abs(once.probability - cut.probability).max() <= 1e-5
    (place, answers), = model.logits(model.planes(image)[0], tile=None)
    assert len(answers) == 4
    assert place == (slice(0, 150), slice(0, 210))
    mean = torch.stack([each[:4].softmax(dim=0) for each in answers]).mean(dim=0).numpy()
    assert np.abs(mean - once.probability).max() <= 1e-5
    assert once.doubt.max() > 0


def test_nets_that_differ_are_doubted_each_by_the_mean_of_its_sides(net):
    other = placed(Net(2, 3, 4, SMALL).eval(), "cpu")
    model, image = model_of(net, orientations=2), micrograph((150, 210))
    both = replace(model, nets=(net, other))
    found = model.planes(image)[0]
    (_, single), = model.logits(found, tile=None)
    (_, pair), = both.logits(found, tile=None)
    assert (len(single), len(pair)) == (2, 2)  # one net is doubted by its sides, two by each other
    assert torch.allclose(torch.stack(single).mean(dim=0), pair[0], atol=1e-5)
    once, cut = both.segment(image, tile=None), both.segment(image, tile=64)
    assert np.abs(once.probability - cut.probability).max() <= 1e-5
    together = segment_all(both, [image, image])
    assert np.abs(together[1].probability - once.probability).max() <= 1e-5


def test_looking_from_fewer_sides_than_calibrated_is_said(net):
    model = model_of(net, orientations=4, calibrated=True, card={"training": {"orientations": 4}})
    assert not model.unlike
    assert not model.looking(None).unlike
    assert "4 orientations, not of 1" in model.looking(1).unlike
    with pytest.raises(InputError, match="must be one of 1, 2, 4"):
        model.looking(3)


def test_saved_and_loaded_it_answers_the_same(net, tmp_path):
    model, image = model_of(net, scalings={"all inputs": (1.3, (0.1, 0.2, -0.1, -0.2))}), micrograph((64, 80))
    model.save(tmp_path / "model")
    again = Segmenter.load(tmp_path / "model")
    assert again.version == model.version
    assert np.array_equal(model.segment(image).probability, again.segment(image).probability)


def test_another_pixel_size_is_brought_to_the_models_and_said(net):
    model = model_of(net)
    fine = micrograph((128, 128))
    fine = Micrograph(images=fine.images, eds=fine.eds, pixel_size_nm=0.5)
    found = model.segment(fine)
    assert found.labels.shape == (128, 128)
    assert any("resampled" in note for note in found.notes)
    assert np.allclose(found.probability.sum(axis=0), 1, atol=1e-5)


def test_dropout_passes_disagree_and_agree_between_tiles(net):
    torch.manual_seed(1)
    wide = Net(2, 3, 4, Size(coarse=8, fine=4, widest=32, dropout=0.4))
    with torch.no_grad():
        wide.train()
        for _ in range(3):
            wide(torch.randn(2, 4, 128, 128), torch.randn(2, 13, 32, 32))
        wide.fine.heads.weight *= 30
        wide.fine.join.first.weight *= 3
    wide.eval()
    model = Segmenter(nets=(wide,), classes=("a", "b", "c", "d"), images=("haadf", "bf"), elements=("La", "Ni", "O"),
                      size=Size(coarse=8, fine=4, widest=32, dropout=0.4), pixel_size_nm=2.0)
    image = micrograph((100, 150))
    plain, doubted = model.segment(image), model.segment(image, dropout=4)
    assert plain.doubt.max() < 1e-6
    assert doubted.doubt.mean() > 1e-6
    assert np.abs(doubted.probability - model.segment(image, dropout=4, tile=64).probability).max() <= 1e-5
    assert not np.array_equal(doubted.probability, model.segment(image, dropout=4, seed=1).probability)
