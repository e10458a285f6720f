"""The page in a real browser: what a person does with a mouse, with keys only, on a phone, and when it goes wrong."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import asynccontextmanager

import pytest
import uvicorn

from serve.backend import LocalBackend
from serve.front import create, policy
from ssbray.service import examples
from ssbray.service.settings import Settings
from tests.serving.browser import CHROMIUM, Browser
from tests.serving.conftest import LIMITS
from tests.serving.fakes import ANSWER, MODEL

pytestmark = [pytest.mark.serving,
              pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: the page is not tested")]
PICTURES = os.environ.get("SSBRAY_SCREENSHOTS")
SHOWN = "!document.getElementById('result').classList.contains('hidden')"
STATUS = "document.getElementById('status').textContent"


class Pictured:
    """Answers for a virtual micrograph as real models do, without their seconds."""

    def __init__(self):
        self.error = None

    async def image(self, micrograph, wishes):
        import base64

        import numpy as np

        from ssbray.microscope import CLASSES
        from ssbray.service import picture

        if self.error is not None:
            raise self.error
        image = micrograph.images["haadf"]
        labels = np.digitize(image, np.percentile(image, (6, 45))).astype(np.uint8)
        labels = np.array([5, 4, 0], np.uint8)[labels]
        place = [(0.2, 0.2, "Ta-LLZO", 0.2), (0.7, 0.3, "NMC811", 0.6), (0.5, 0.8, "NMC811", 0.02)]
        height, width = (side * micrograph.pixel_size_nm for side in image.shape)
        graph = {"nodes": [{"x_nm": x * width, "y_nm": y * height, "phase": phase, "share": share}
                           for x, y, phase, share in place], "left_out": {"nodes": 3, "edges": 0},
                 "edges": [{"from": 0, "to": 1, "share": 0.18}, {"from": 1, "to": 2, "share": 0.0}]}
        legend = {name: colour for name, colour in picture.colours(CLASSES).items() if name in ("LLZO", "NMC", "pore")}
        return {**ANSWER, "phase_fraction": {name: float(np.mean(labels == k)) for k, name in enumerate(CLASSES)},
                "anomaly": {"score": 5.0, "p_value": 0.01, "flag": True, "reasons": [
                    "novelty 5 is reached by 0 of 99 calibration cases (p = 0.01)"]},
                "resistance_budget": {"NMC811": 0.62, "Ta-LLZO": 0.2, "NMC811 | Ta-LLZO": 0.18},
                "image": {"shape": list(image.shape), "pixel_size_nm": micrograph.pixel_size_nm, "sha256": "0"},
                "materials": {"electrolyte": "Ta-LLZO", "cathode": "NMC811", "coating": wishes.coating},
                "temperature_C": 25.0, "axis": "y", "regions": 42, "warnings": ["<b>not calibrated</b>"],
                "legend": legend, "measurements": {}, "feature_graph": graph,
                "doubt_ln": {"surrogate": 0.12, "segmentation": 0.3, "maps": 4, "maps_blocked": 0},
                "overlay_png_base64": base64.b64encode(picture.overlay_png(labels, CLASSES)).decode(),
                "image_png_base64": base64.b64encode(picture.grey_png(image)).decode()}

    async def model(self):
        return MODEL


@asynccontextmanager
async def served(app):
    """The application on a free port of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


def visit(decoder, act, *, backend=None, width=1280, **given):
    """Open the page and act on it; nothing may be thrown, and nothing may ask beyond the endpoint."""
    async def run():
        app = create(backend or Pictured(), Settings(limits=LIMITS, **given), decoder=decoder, log=lambda _: None)
        async with served(app) as url, Browser(width=width) as browser:
            await browser.open(url)
            await browser.until("document.getElementById('example').options.length > 2")
            await act(browser)
            strangers = await browser.run("performance.getEntriesByType('resource').map(r => r.name).filter("
                                          "n => !n.startsWith(location.origin) && !n.startsWith('data:'))")
            return browser.problems, strangers
    assert asyncio.run(run()) == ([], [])


async def keep(browser, name):
    if PICTURES:
        await browser.picture(os.path.join(PICTURES, f"{name}.png"))


def test_a_file_is_chosen_and_its_answer_shown(decoder, tmp_path):
    path = tmp_path / "frame.png"
    path.write_bytes(examples.png("bare"))

    async def act(browser):
        await browser.choose("#file", path)
        await browser.run("document.getElementById('detector').value = 'haadf'")
        await browser.run("document.getElementById('go').click()")
        await browser.until(STATUS + ".startsWith('Refused')")  # the pixel size is missing: it says so and goes there
        assert await browser.run("document.activeElement.id") == "pixel"
        assert await browser.run(SHOWN) is False
        await keep(browser, "refused")
        await browser.run("document.getElementById('pixel').value = '5'; document.getElementById('go').click()")
        await browser.until(SHOWN)
        await browser.until("document.getElementById('overlay').naturalWidth === 256")
        text = await browser.run("document.getElementById('result').innerText")
        for part in ("1.00 × 10⁻⁵ S/cm", "90 % interval 7.00 × 10⁻⁶ to 1.40 × 10⁻⁵", "Unlike the training specimens",
                     "NMC811 | Ta-LLZO", "62 %", "<b>not calibrated</b>", "Outside what the model has learnt"):
            assert part in text, part
        await browser.run("document.getElementById('opacity').value = 80;"
                          "document.getElementById('opacity').dispatchEvent(new Event('input'))")
        assert await browser.run("document.getElementById('overlay').style.opacity") == "0.8"
        assert await browser.run("JSON.parse(document.getElementById('json').textContent).sigma_eff_S_per_cm.mean"
                                 ) == 1e-5
        assert "own doubt (± 12 %) and that of the segmentation (± 30 %, from 4 maps drawn)" in text
        assert "graph" not in await browser.run("document.getElementById('json').textContent")
        await keep(browser, "result")
        await browser.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        await keep(browser, "dark")

    visit(decoder, act)


def test_the_graph_lies_on_the_image(decoder):
    async def act(browser):
        await browser.run("document.getElementById('example').value = 'bare';"
                          "document.getElementById('example').dispatchEvent(new Event('change'));"
                          "document.getElementById('go').click()")
        await browser.until(SHOWN)
        hidden = "getComputedStyle(document.getElementById('graph')).display === 'none'"
        assert await browser.run(hidden) is True  # until it is asked for
        await browser.run("document.getElementById('network').focus()")
        await browser.press(" ", "Space")
        await browser.until("!(" + hidden + ")")
        box, image = [await browser.run("(r => [r.x, r.y, r.width, r.height])(document.getElementById("
                                        f"'{name}').getBoundingClientRect())") for name in ("graph", "image")]
        assert box == pytest.approx(image, abs=0.5)
        x, y = await browser.run("(r => [r.x + r.width / 2, r.y + r.height / 2])(document.querySelector("
                                 "'#graph circle:last-of-type').getBoundingClientRect())")
        assert (x - image[0], y - image[1]) == pytest.approx((0.7 * image[2], 0.3 * image[3]), abs=1.5)
        widths = await browser.run("[...document.querySelectorAll('#graph line')].map(l => +l.getAttribute("
                                   "'stroke-width'))")
        assert widths[-1] > 3 * widths[0]  # the one with the resistance lies on top, and is wider
        assert "18 % of it all between Ta-LLZO and NMC811" in await browser.run(
            "document.getElementById('graph').getAttribute('aria-label')")
        await keep(browser, "graph")

    visit(decoder, act)


def test_a_file_is_dropped(decoder):
    async def act(browser):
        await browser.run("""fetch('v1/examples/coated').then(a => a.blob()).then(blob => {
            const data = new DataTransfer();
            data.items.add(new File([blob], 'dropped.png', {type: 'image/png'}));
            document.getElementById('drop').dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true,
                cancelable: true}));
            document.getElementById('pixel').value = 5; document.getElementById('detector').value = 'haadf';
            document.getElementById('go').click(); })""")
        await browser.until(SHOWN)

    visit(decoder, act)


def test_keys_are_enough_and_everything_has_a_name(decoder):
    async def act(browser):
        seen = []
        await browser.run("document.getElementById('example').value = 'bare';"
                          "document.getElementById('example').dispatchEvent(new Event('change'))")
        for _ in range(14):
            await browser.press("Tab")
            seen.append(await browser.run("document.activeElement.id"))
            if seen[-1] == "go":
                break
        assert seen[-1] == "go", seen
        assert {"file", "example", "pixel", "detector", "coating", "temperature", "axis", "key"} <= set(seen)
        await browser.press("Enter")
        await browser.until(SHOWN)
        assert await browser.run("document.activeElement.id") == "result"
        found = await browser.ask("Accessibility.getFullAXTree")
        for node in found["nodes"]:
            if node.get("role", {}).get("value") in ("button", "textbox", "combobox", "slider", "spinbutton", "image"):
                assert node.get("name", {}).get("value"), node

    visit(decoder, act)


def test_a_narrow_screen_does_not_scroll_sideways(decoder):
    async def act(browser):
        await browser.run("document.getElementById('example').value = 'coated';"
                          "document.getElementById('example').dispatchEvent(new Event('change'));"
                          "document.getElementById('go').click()")
        await browser.until(SHOWN)
        assert await browser.run("document.documentElement.scrollWidth <= 360")
        await keep(browser, "narrow")

    visit(decoder, act, width=360)


def test_what_goes_wrong_is_said(decoder, tmp_path):
    from ssbray.service.refusal import Refusal

    backend = Pictured()
    text = tmp_path / "notes.png"
    text.write_text("no picture")

    async def act(browser):
        await browser.run("document.getElementById('go').click()")
        await browser.until(STATUS + " === 'Choose a micrograph first.'")
        await browser.choose("#file", text)
        await browser.run("document.getElementById('pixel').value = 5; document.getElementById('go').click()")
        await browser.until(STATUS + ".includes('neither PNG nor TIFF')")
        backend.error = Refusal(429, "busy", None, "too many are waiting", 2)
        await browser.run("document.getElementById('example').value = 'bare';"
                          "document.getElementById('example').dispatchEvent(new Event('change'));"
                          "document.getElementById('go').click()")
        await browser.until(STATUS + ".includes('again in 2 s')")
        assert await browser.run("document.getElementById('go').disabled") is False

    visit(decoder, act, backend=backend)


def test_the_page_may_run_only_what_is_written_in_it():
    text = "<style>a</style><script>b</script>"
    assert "unsafe-inline" not in policy(text)
    assert policy(text) != policy(text.replace("b<", "c<"))


def test_real_models_fill_the_page(decoder, models):
    backend = LocalBackend(Settings(**models[0]))

    async def act(browser):
        import io

        import numpy as np
        from PIL import Image

        buffer = io.BytesIO()
        Image.fromarray(np.asarray(Image.open(io.BytesIO(examples.png("bare"))))[60:124, 60:124]).save(buffer, "PNG")
        await browser.run(f"""{{ const data = new DataTransfer();
            data.items.add(new File([new Uint8Array({list(buffer.getvalue())})], 'a.png', {{type: 'image/png'}}));
            document.getElementById('drop').dispatchEvent(new DragEvent('drop', {{dataTransfer: data}}));
            document.getElementById('pixel').value = 5; document.getElementById('go').click(); }}""")
        await browser.until(SHOWN)

    visit(decoder, act, backend=backend)
