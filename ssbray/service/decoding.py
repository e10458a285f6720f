"""Decoding in processes of their own, within a time and a memory."""

from __future__ import annotations

import os
import queue
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

import numpy as np

from ssbray.domain import Micrograph
from ssbray.service.decoder import receive, send
from ssbray.service.refusal import Refusal
from ssbray.service.settings import Limits
from ssbray.service.upload import check

LIVES = 500  #: images that a process decodes before it is replaced
START_S = 120.0  #: for the imports of a new process


class _Process:
    """One decoder; started when it is needed, killed when it is late."""

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = ""  # there only while an image is decoded
        self._done, self._ready = 0, False

    def spawn(self) -> subprocess.Popen[bytes]:
        """The process, which may still be importing what it needs."""
        if self._process is None or self._process.poll() is not None or self._done >= LIVES:
            self.stop()
            environment = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "TMPDIR", "LANG")
                           if name in os.environ} | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
            self._folder = os.path.join(tempfile.gettempdir(), f"ssbray-decode-{secrets.token_hex(12)}")
            command = [sys.executable, "-m", "ssbray.service.decoder", str(self._memory), self._folder]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                             stderr=subprocess.DEVNULL, env=environment)
            self._done, self._ready = 0, False
        return self._process

    def ask(self, header: dict[str, Any], content: bytes, seconds: float) -> tuple[dict[str, Any], bytes] | None:
        """Its answer; None where it was late or has died."""
        process = self.spawn()
        out = cast(BinaryIO, process.stdout)
        self._done += 1
        try:
            if not self._ready:
                with _within(START_S, process):
                    receive(out)
                self._ready = True
            with _within(seconds, process):
                send(cast(BinaryIO, process.stdin), header, content)
                return receive(out)
        except (EOFError, OSError):
            self.stop()
            return None

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    try:
                        pipe.close()
                    except OSError:  # bytes that the dead process will not read
                        continue
            self._process.wait()
            self._process = None
            shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def _within(seconds: float, process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Kill a process that is not done in time; whoever reads from it then meets its end."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class Decoder:
    """A few decoding processes."""

    def __init__(self, limits: Limits, count: int = 2) -> None:
        self._limits = limits
        self._processes = [_Process(limits.decode_bytes) for _ in range(count)]
        self._idle: queue.SimpleQueue[_Process] = queue.SimpleQueue()
        for process in self._processes:
            process.spawn()
            self._idle.put(process)

    def decode(self, content: bytes, *, pixel_size_nm: float | None = None, detector: str | None = None) -> Micrograph:
        """One image of an upload as a micrograph; Refusal for everything else. Blocks; call it in a thread.

        Parameters
        ----------
        content : bytes of a PNG or TIFF.
        pixel_size_nm : edge of a square pixel [nm], where the file does not say.
        detector : what the image is, "haadf", "bse" and so on, where the file does not say.
        """
        form = check(content, self._limits.pixels)
        deadline = time.monotonic() + self._limits.decode_s
        try:
            process = self._idle.get(timeout=self._limits.decode_s)
        except queue.Empty:
            raise Refusal(429, "busy", None, "all decoders are at work", retry_after_s=2) from None
        try:
            answer = process.ask({"form": form, "pixel_size_nm": pixel_size_nm, "max_bytes": self._limits.decode_bytes},
                                 content, max(0.5, deadline - time.monotonic()))
        finally:
            self._idle.put(process)
        if answer is None:
            raise Refusal(422, "invalid", "image", f"cannot be decoded within {self._limits.decode_s:g} s and the "
                          "memory that an image of its size needs")
        header, pixels = answer
        if "error" in header:
            field, remedy = header["error"]
            if field == "pixel_size_nm" and pixel_size_nm is None:
                remedy = "the file states no scale: send the form field pixel_size_nm"
            raise Refusal(422, "invalid", "image" if field == "file" else field, remedy)
        image = np.frombuffer(pixels, dtype=np.float32).reshape(header["shape"])
        name = header["detector"] if detector is None else detector
        return Micrograph(images={name: image}, pixel_size_nm=header["pixel_size_nm"], source_sha256=header["sha256"])

    def close(self) -> None:
        """End all processes."""
        for process in self._processes:
            process.stop()
