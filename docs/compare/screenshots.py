"""Make the pictures of docs/compare.md again: its own commands, MLflow's own pages, and Chromium.

    python docs/compare/screenshots.py --home runs/compare

Campaigns that are in the home already are not run again.
"""

import argparse
import asyncio
import base64
import io
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from PIL import Image

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from ssbray.tracking import store  # noqa: E402
from tests.serving.browser import Browser  # noqa: E402

WIDTH, HEIGHT = 1500, 900
#: what a user has clicked before: the part of MLflow that is not about chats, and its assistant closed
CLICKED = {"mlflow.workflowType_v1": "machine_learning", "mlflow.assistant.panelOpen_v1": False,
           "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": True}
HIDDEN = ("Dataset", "Models")  #: columns that are there at first and stay empty
COLUMNS = ("best.objective", "improvement_percent", "best.cosintering_temperature_C", "best.coating_thickness_nm")
AXES = {"params": ("best.atmosphere", "best.coating"), "metrics": (
    "best.cosintering_temperature_C", "best.cosintering_time_h", "best.coating_thickness_nm", "best.objective")}
#: centre of the visible element of a kind with this text of its own; null if there is none
CENTRE = """(() => {
  const own = node => [...node.childNodes].filter(each => each.nodeType === 3).map(each => each.data).join('').trim();
  const found = [...document.querySelectorAll(%s)].find(node => own(node) === %s && node.getClientRects().length);
  if (!found) return null;
  found.scrollIntoView({block: 'nearest'});
  const box = found.getBoundingClientRect();
  return [box.x + box.width / 2, box.y + box.height / 2];
})()"""
FLOATING = "document.querySelectorAll('[data-assistant-ui]').forEach(one => one.remove())"
#: open the row of a campaign, so that its chains are seen below it
EXPAND = """for (const cell of document.querySelectorAll('[role=gridcell]'))
  if (cell.querySelector('a')?.textContent === %s) cell.querySelector('button').click();"""


def campaigns(home):
    """Type the page's commands that make campaigns, those that are not there yet."""
    page = (HERE.parent / "compare.md").read_text()
    lines = "".join(re.findall(r"^```sh\n(.*?)^```", page, re.S | re.M)).splitlines()
    missing = [name for line in lines if (name := re.search(r" run .* --name (\S+)", line))
               and not (home / name[1] / "summary.json").exists()]
    if missing:
        (ROOT / "runs").mkdir(exist_ok=True)
    for line in lines if missing else []:
        if line.startswith("sed ") or any(f"--name {name[1]} " in line for name in missing):
            line = line.replace(".venv/bin/", shlex.quote(f"{Path(sys.executable).parent}/"))
            subprocess.run(["bash", "-euc", line.replace("--dir runs/compare", f"--dir {shlex.quote(str(home))}")],
                           cwd=ROOT, check=True)


@contextmanager
def serving(database):
    """MLflow's page for a store, on the loopback interface at a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    process = subprocess.Popen(
        [Path(sys.executable).parent / "mlflow", "ui", "--backend-store-uri", f"sqlite:///{database}",
         "--port", url.rpartition(":")[2], "--workers", "1"],
        env={**store.QUIET, **os.environ}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{url}/health", timeout=10).close()
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.2)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


class Visit:
    """A browser at a server of MLflow."""

    def __init__(self, browser, url):
        self._browser, self._url = browser, url

    async def open(self, path, until):
        """Go to a page and wait for a text on it."""
        await self._browser.ask("Page.navigate", url="about:blank")
        await self._browser.open(f"{self._url}/#/{path}")
        await self.wait(until)

    async def wait(self, text):
        await self._browser.until(f"document.body.innerText.includes({json.dumps(text)})")
        await asyncio.sleep(3)  # what is drawn after that: tables, plots

    async def tap(self, text, kind="*"):
        """Click what has this text."""
        script = CENTRE % (json.dumps(kind), json.dumps(text))
        await self._browser.until(f"{script} !== null", 30)
        x, y = await self._browser.run(script)
        for kind in ("mousePressed", "mouseReleased"):
            await self._browser.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        await asyncio.sleep(1)

    async def choose(self, selector, which, text):
        """Type into a box of choices, and take the first."""
        await self._browser.run(f"document.querySelectorAll({json.dumps(selector)})[{which}].focus()")
        await self._browser.ask("Input.insertText", text=text)
        await asyncio.sleep(0.7)
        await self._browser.press("Enter")
        await asyncio.sleep(0.7)

    async def write(self, selector, text):
        """Type into a field, in place of what is there."""
        field = f"document.querySelector({json.dumps(selector)})"
        await self._browser.run(f"{field}.focus(), {field}.select()")
        await self._browser.ask("Input.insertText", text=text)
        await asyncio.sleep(2)

    async def expand(self, name):
        """Show the chains below a campaign."""
        await self._browser.run(EXPAND % json.dumps(name))
        await asyncio.sleep(1)

    async def press(self, key):
        await self._browser.press(key)
        await asyncio.sleep(1)

    async def picture(self, name, left=196, top=8, right=WIDTH - 8, bottom=HEIGHT - 8):
        """Save a part of what is seen, in 128 colours, without the assistant's floating button."""
        await self._browser.run(FLOATING)
        shot = await self._browser.ask("Page.captureScreenshot")
        image = Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB").crop((left, top, right, bottom))
        image.quantize(128, dither=Image.Dither.NONE).save(HERE / f"{name}.png", optimize=True)


def found(url):
    """Identifier of the experiment, and those of the runs in it by their names."""
    def ask(path, body):
        request = urllib.request.Request(f"{url}/api/2.0/mlflow/{path}", json.dumps(body).encode(),
                                         {"content-type": "application/json"})
        return json.load(urllib.request.urlopen(request, timeout=60))

    experiment, = (each["experiment_id"] for each in ask("experiments/search", {"max_results": 50})["experiments"]
                   if each["name"] == "smoke")
    runs = {run["info"]["run_name"]: run["info"]["run_id"] for run in ask(
        "runs/search", {"experiment_ids": [experiment], "order_by": ["attributes.start_time ASC"]})["runs"]}
    return experiment, runs


async def pictures(url):
    """All of them."""
    experiment, runs = found(url)
    chains = [run for name, run in runs.items() if " chain " in name]
    compared, stepped = (f"runs={quote(json.dumps(each))}&experiments={quote(json.dumps([experiment]))}"
                         for each in (list(runs.values()), chains))
    async with Browser(WIDTH, HEIGHT) as browser:
        visit = Visit(browser, url)
        await browser.open(url)
        for name, value in CLICKED.items():
            await browser.run(f"localStorage.setItem({json.dumps(name)}, {json.dumps(json.dumps(value))})")
        await visit.open(f"experiments/{experiment}/runs", "matching runs")
        await visit.wait("oxygen-again")
        for name in ("oxygen", "oxygen-again", "air"):
            await visit.expand(name)
        await visit.tap("Columns")
        for name in (*HIDDEN, *COLUMNS):
            await visit.write("input[placeholder='Search columns']", name)
            await visit.tap(name, "[class*=tree] *")
        await visit.press("Escape")
        await visit.picture("runs", bottom=560)
        await visit.open(f"experiments/{experiment}/runs/{runs['oxygen']}", "best.objective")
        await visit.write("input[placeholder='Search metrics']", "best")
        await visit.picture("campaign")
        await visit.open(f"compare-runs?{compared}", "Parallel Coordinates Plot")
        await visit.tap("Clear All")
        for which, names in enumerate(AXES.values()):
            for name in names:
                await visit.choose("input[type=search]", which, name)
        await visit.tap("Parallel Coordinates Plot")
        await visit.wait("Run details")
        await visit.picture("parallel", bottom=640)
        metric = quote(json.dumps("best_cost"))
        await visit.open(f"metric?{stepped}&metric={metric}&plot_metric_keys={quote(json.dumps(['best_cost']))}",
                         "best_cost")
        await visit.tap("Step")
        await visit.picture("steps", bottom=760)
        await visit.open("models/ssbray-surrogate", "Version 1")
        await visit.picture("champion")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--home", type=Path, default=Path("runs/compare"), help="of the campaigns")
    home = options.parse_args().home.resolve()
    campaigns(home)
    with serving(home / "mlflow.db") as served:
        asyncio.run(pictures(served))
