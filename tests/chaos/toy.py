"""A campaign that needs no solver, in a process of its own that may be killed, starved or cut off."""

from __future__ import annotations

import multiprocessing
import os
import random
import resource
import signal
import time
from contextlib import suppress
from pathlib import Path

from ssbray.campaign import SerialAnnealers, run
from ssbray.campaign.pause import Paused
from ssbray.errors import InputError
from tests.campaign import fakes

SPEC = {"annealing": {"initial": 8, "chains": 2, "rounds": 2, "steps": 3, "proposals": 3},
        "confirm": {"designs": 2, "specimens": 3}}
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.chaos.toy"])


def campaign(directory, evaluate=fakes.evaluate, seed=0):
    """Run the toy here, with solves finishing in an order of their own."""
    return run(fakes.spec(**SPEC), directory, workers=fakes.ShuffledWorkers(3, seed, evaluate),
               learner=fakes.QuadraticLearner(), annealers=SerialAnnealers(), listener=fakes.Silence())


def slow(task):
    time.sleep(0.04)  # long enough that who waits a second for the lock waits in vain
    return fakes.evaluate(task)


def _child(directory, answer, mishap, seed):
    """Run the toy with a mishap; write what came of it, if anything still can."""
    if mishap and mishap[0] == "die at":
        _die_at(mishap[1])
    if mishap and mishap[0] == "file size":
        resource.setrlimit(resource.RLIMIT_FSIZE, (mishap[1], mishap[1]))
    try:
        content = {"summary": campaign(directory, slow if mishap and mishap[0] == "slow" else fakes.evaluate, seed)}
    except Paused:
        content = {"paused": True}
    except InputError as error:
        content = {"error": str(error)}
    answer.send(content)


def _die_at(count):
    """Kill this process at the n-th of its durable operations: before a rename, after it, or at a synchronisation."""
    left = [count]

    def deadly(operation):
        def wrapped(*arguments, **keywords):
            left[0] -= 1
            if left[0] <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
            done = operation(*arguments, **keywords)
            left[0] -= 1
            if left[0] <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return done
        return wrapped

    os.replace, os.fsync = deadly(os.replace), deadly(os.fsync)


class Toy:
    """A process that runs the toy."""

    def __init__(self, directory, mishap=None, seed=0):
        self._ours, theirs = CONTEXT.Pipe()
        self.process = CONTEXT.Process(target=_child, args=(Path(directory), theirs, mishap, seed))
        self.process.start()
        theirs.close()

    def kill(self):
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGKILL)

    def end(self, patience_s=60):
        """What came of it; None if it was killed."""
        self.process.join(patience_s)
        assert not self.process.is_alive(), "the toy does not end"
        try:
            return self._ours.recv() if self._ours.poll() else None
        except EOFError:
            return None


def moments(seed, count, longest_s):
    """Random times to kill at."""
    draw = random.Random(seed)
    return [draw.uniform(0.0, longest_s) for _ in range(count)]
