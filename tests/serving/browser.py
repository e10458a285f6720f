"""A headless Chromium, spoken to over its own protocol: no driver, no network."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import shutil
import subprocess
import tempfile
import urllib.request
from pathlib import Path

import aiohttp

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    """One page. `ask` sends a command of the protocol, `run` evaluates JavaScript."""

    def __init__(self, width=1280, height=900):
        self.size = (width, height)
        self.problems = []

    async def __aenter__(self):
        self._home = tempfile.mkdtemp(prefix="chromium-")
        self._process = subprocess.Popen(
            [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--remote-debugging-port=0", f"--user-data-dir={self._home}",
             f"--window-size={self.size[0]},{self.size[1]}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port = Path(self._home, "DevToolsActivePort")
        for _ in range(1200):
            if port.exists() and port.read_text().count("\n"):
                break
            await asyncio.sleep(0.1)
        number = port.read_text().splitlines()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{number}/json/list", timeout=60) as listing:
            target = next(one for one in json.load(listing) if one["type"] == "page")
        self._session = aiohttp.ClientSession()
        self._socket = await self._session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0)
        self._numbers, self._waiting = itertools.count(1), {}
        self._reader = asyncio.create_task(self._read())
        for domain in ("Page", "Runtime", "Log", "DOM"):
            await self.ask(f"{domain}.enable")
        await self.ask("Emulation.setDeviceMetricsOverride", width=self.size[0], height=self.size[1],
                       deviceScaleFactor=1, mobile=False)
        return self

    async def __aexit__(self, *_):
        self._reader.cancel()
        await self._session.close()
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._home, ignore_errors=True)

    async def _read(self):
        async for message in self._socket:
            content = json.loads(message.data)
            if "id" in content:
                self._waiting.pop(content["id"]).set_result(content)
            elif content["method"] == "Runtime.exceptionThrown":
                self.problems.append(content["params"]["exceptionDetails"]["exception"]["description"])
            elif content["method"] == "Log.entryAdded" and content["params"]["entry"]["source"] in (
                    "security", "javascript", "violation"):
                self.problems.append(content["params"]["entry"]["text"])

    async def ask(self, method, **parameters):
        number = next(self._numbers)
        self._waiting[number] = answer = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        content = await asyncio.wait_for(answer, 120)
        assert "error" not in content, content
        return content["result"]

    async def run(self, script):
        found = await self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    async def until(self, script, seconds=120):
        for _ in range(int(seconds / 0.1)):
            if await self.run(script):
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"not within {seconds} s: {script}")

    async def open(self, url):
        await self.ask("Page.navigate", url=url)
        await self.until("document.readyState === 'complete'")

    async def choose(self, selector, path):
        document = await self.ask("DOM.getDocument")
        node = await self.ask("DOM.querySelector", nodeId=document["root"]["nodeId"], selector=selector)
        await self.ask("DOM.setFileInputFiles", nodeId=node["nodeId"], files=[str(path)])

    async def press(self, key, code=None):
        for kind in ("keyDown", "keyUp"):
            text = {"text": {"Enter": "\r", " ": " "}[key]} if key in ("Enter", " ") and kind == "keyDown" else {}
            await self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=code or key,
                           windowsVirtualKeyCode={"Tab": 9, "Enter": 13, "ArrowRight": 39, " ": 32}.get(key, 0), **text)

    async def picture(self, path):
        size = await self.run("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
        found = await self.ask("Page.captureScreenshot", captureBeyondViewport=True,
                               clip={"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1})
        Path(path).write_bytes(base64.b64decode(found["data"]))
