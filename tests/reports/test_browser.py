"""The page in a real browser, as wide as a phone."""

from __future__ import annotations

import base64
import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.reports.browser import Browser

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def phone(page: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(str(CHROMIUM), tmp_path_factory.mktemp("profile")) as browser:
        browser.call("Emulation.setDeviceMetricsOverride", width=360, height=780, deviceScaleFactor=1, mobile=True)
        browser.open((page / "index.html").as_uri())
        yield browser


def test_nothing_is_wider_than_the_phone(phone: Browser) -> None:
    assert phone.evaluate("innerWidth") == 360
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360


def test_nothing_is_fetched(phone: Browser) -> None:
    addresses = [event["request"]["url"] for event in phone.of("Network.requestWillBeSent")]
    assert len([address for address in addresses if address.startswith("file:")]) == 1
    assert all(address.startswith(("file:", "data:")) for address in addresses)


def test_every_recording_can_be_played(phone: Browser) -> None:
    script = """Promise.all([...document.querySelectorAll("audio")].map((audio) => new Promise((done) => {
        if (audio.readyState > 0) done(audio.duration);
        audio.onloadedmetadata = () => done(audio.duration);
        audio.onerror = () => done(null);
        audio.load();
    })))"""
    durations = phone.evaluate(script)
    # Drawn recordings; prompts and endings; three utterances in four voices, two of them silent for the last one.
    assert len(durations) == 6 + 4 * 3 + 3 * 4 - 2 and all(duration > 0.3 for duration in durations)


def test_axes_of_curves_can_be_switched(phone: Browser) -> None:
    shown = "[...document.querySelector('.tabs').querySelectorAll('.panels')].map((one) => one.clientHeight > 0)"
    assert phone.evaluate(shown) == [True, False]
    phone.evaluate("document.querySelectorAll('.tabs label')[1].click()")
    assert phone.evaluate(shown) == [False, True]


def test_a_click_on_a_word_plays_from_there(phone: Browser) -> None:
    click = "document.querySelectorAll('.recording .word')[2].dispatchEvent(new MouseEvent('click', {bubbles: true}))"
    phone.evaluate(click)
    assert phone.evaluate("document.querySelector('.recording audio').currentTime") == pytest.approx(0.52, abs=0.02)
    phone.evaluate("document.querySelector('.recording audio').pause()")


def test_dark_mode(phone: Browser) -> None:
    colours = "['color', 'backgroundColor'].map((name) => getComputedStyle(document.body)[name])"
    light = phone.evaluate(colours)
    phone.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    ink, ground = (sum(int(part) for part in each[4:-1].split(",")) for each in phone.evaluate(colours))
    assert light != [ink, ground] and ink > 600 and ground < 100


def test_the_console_is_silent(phone: Browser) -> None:
    assert not phone.of("Runtime.exceptionThrown")
    assert not [entry for entry in phone.of("Log.entryAdded") if entry["entry"]["level"] in ("warning", "error")]
    assert not phone.of("Runtime.consoleAPICalled")


def _right_edge(phone: Browser) -> int:
    """Darkness of the first wide table's right edge, in the empty middle of its heading row."""
    box = phone.evaluate(
        "(() => { const one = document.querySelector('#scores .scroll').getBoundingClientRect();"
        " return [one.right + scrollX, one.top + scrollY]; })()"
    )
    clip = {"x": box[0] - 4, "y": box[1] + 2, "width": 3, "height": 4, "scale": 1}
    shot = phone.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)["data"]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(shot))).convert("L"), dtype=int)
    return int(255 - pixels.mean())


def test_a_table_shows_that_it_scrolls(phone: Browser) -> None:
    phone.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "light"}])
    assert _right_edge(phone) > 12
    phone.evaluate("document.querySelector('#scores .scroll').scrollLeft = 10000")
    assert _right_edge(phone) < 4
