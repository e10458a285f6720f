"""Items shared out on Ray."""

from __future__ import annotations

import os

import pytest

from ssbray.cluster.each import each
from ssbray.errors import InputError


class Squares:
    """Knows how often it has been unpacked in its process."""

    unpacked = 0

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.serial = Squares.unpacked = Squares.unpacked + 1

    def __init__(self, wrong=None):
        self.wrong = wrong

    def __call__(self, item):
        if item == self.wrong:
            raise InputError("item", item, "is wrong")
        return item**2, os.getpid(), self.serial


def test_answers_come_in_order_and_a_worker_fetches_the_function_once(ray_cluster):
    told = []
    answers = each(Squares(), range(30), lambda done, total: told.append((done, total)))
    assert [square for square, *_ in answers] == [item**2 for item in range(30)]
    assert told[-1] == (30, 30)
    workers = {pid for _, pid, _ in answers}
    assert len({(pid, serial) for _, pid, serial in answers}) == len(workers) < 30


def test_the_next_function_is_another_one(ray_cluster):
    assert each(Squares(), [3], None)[0][0] == 9
    assert each(lambda item: item + 1, [3, 4], None) == [4, 5]
    assert each(Squares(), [5], None)[0][0] == 25


def test_what_the_function_refuses_is_refused_here(ray_cluster):
    with pytest.raises(InputError, match="is wrong"):
        each(Squares(wrong=7), range(12), None)
