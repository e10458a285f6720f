"""What the endpoint costs over the same functions called in one process: seconds at one request, and at saturation.

    python benchmarks/serving.py --segmenter models/segmenter --surrogate models/surrogate --side 128 --count 40

Prints one line of JSON. Both sides decode the same PNG in a decoding process, segment and predict, on one thread.
"""

import argparse
import http.client
import io
import json
import statistics
import sys
import threading
import time
import uuid
from pathlib import Path

import numpy as np
from PIL import Image
from record import record

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from serve.backend import LocalBackend  # noqa: E402
from serve.run import running  # noqa: E402
from ssbray.service import examples  # noqa: E402
from ssbray.service.asked import Wishes  # noqa: E402
from ssbray.service.decoding import Decoder  # noqa: E402
from ssbray.service.settings import MAPS, Limits, Settings  # noqa: E402


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--segmenter", required=True)
    parser.add_argument("--surrogate", required=True)
    parser.add_argument("--side", type=int, default=128, help="pixels; a bundled example is cut to it")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--clients", type=int, default=4, help="at saturation")
    parser.add_argument("--maps", type=int, default=MAPS, help="drawn for the interval; on both sides")
    parser.add_argument("--port", type=int, default=8765)
    args = parser.parse_args()
    settings = Settings(segmenter=args.segmenter, surrogate=args.surrogate, port=args.port, maps=args.maps,
                        limits=Limits(per_minute=10**9, queued=10_000))
    content = png(args.side)
    bare = in_process(settings, content, args.count)
    with running(settings):
        for _ in range(3):
            once(args.port, content)
        alone = [once(args.port, content) for _ in range(args.count)]
        busy = together(args.port, content, args.count, args.clients)
    case = f"{args.side}^2 image, {args.maps} maps"
    record("serving", case, "ms an answer, one client", 1000 * statistics.median(alone),
           {"in process": 1000 * statistics.median(bare)})
    record("serving", case, f"answers a second, {args.clients} clients", busy, {"in process": len(bare) / sum(bare)},
           less_is_better=False)
    print(json.dumps({
        "side": args.side, "maps": args.maps, "count": args.count, "clients": args.clients,
        "in_process_p50_s": statistics.median(bare), "service_p50_s": statistics.median(alone),
        "overhead_p50_ms": 1000 * (statistics.median(alone) - statistics.median(bare)),
        "in_process_per_s": len(bare) / sum(bare), "service_per_s_at_saturation": busy,
        "throughput_ratio": busy * sum(bare) / len(bare)}))


def png(side: int) -> bytes:
    """The corner of an example as PNG."""
    image = np.asarray(Image.open(io.BytesIO(examples.png("bare"))))
    image = np.tile(image, (-(-side // image.shape[0]), -(-side // image.shape[1])))[:side, :side]
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, "PNG")
    return buffer.getvalue()


def in_process(settings: Settings, content: bytes, count: int) -> list[float]:
    """Seconds of each of `count` answers."""
    backend, decoder = LocalBackend(settings), Decoder(settings.limits, 1)
    seconds = []
    for _ in range(count + 3):
        started = time.perf_counter()
        backend.answer(decoder.decode(content, pixel_size_nm=5.0, detector="haadf"), Wishes())
        seconds.append(time.perf_counter() - started)
    decoder.close()
    return seconds[3:]


def once(port: int, content: bytes) -> float:
    """Seconds of one request, on a connection of its own."""
    mark = uuid.uuid4().hex
    body = b""
    for name, value in (("image", content), ("pixel_size_nm", b"5"), ("detector", b"haadf")):
        body += f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value + b"\r\n"
    started = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request("POST", "/v1/predict", body + f"--{mark}--\r\n".encode(),
                       {"content-type": f"multipart/form-data; boundary={mark}"})
    answer = connection.getresponse()
    told = answer.read()
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{answer.status}: {told[:300]!r}")
    return time.perf_counter() - started


def together(port: int, content: bytes, count: int, clients: int) -> float:
    """Answers per second with so many clients at a time."""
    threads = [threading.Thread(target=lambda: [once(port, content) for _ in range(count // clients)])
               for _ in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (count // clients) * clients / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
