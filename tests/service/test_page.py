"""The page in a real browser: Debian's Chromium, driven headless."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from quire.demo.images import pdf
from quire.training.text_model import Images
from tests.quire.model.test_predictor import write_model
from tests.quire.training.test_text_model import SIZE, write_both
from tests.service.conftest import Serve, Server
from tests.service.test_api import plain
from tests.service.test_text import texts

pytestmark = pytest.mark.server
QUIET = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("no chromium and chromedriver here: apt-get install chromium chromium-driver")
    options = Options()
    options.binary_location = chromium
    for argument in [
        *QUIET,
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
    ]:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    running = webdriver.Chrome(options, Service(driver))
    yield running
    running.quit()


def opened(browser: webdriver.Chrome, server: Server, width: int = 1200, height: int = 800) -> webdriver.Chrome:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    )
    browser.get(str(server.client.base_url))
    return browser


def send(browser: webdriver.Chrome, *files: Path, answers: int) -> list[str]:
    browser.find_element(By.ID, "file").send_keys("\n".join(map(str, files)))
    WebDriverWait(browser, 20).until(lambda b: len(b.find_elements(By.TAG_NAME, "article")) == answers)
    return [article.text for article in browser.find_elements(By.TAG_NAME, "article")]


def read_log(browser: webdriver.Chrome, kind: str) -> list[dict[str, str]]:
    """What the browser logged since it was last asked."""
    entries: list[dict[str, str]] = browser.get_log(kind)  # type: ignore[no-untyped-call]
    return entries


def test_an_image_gets_its_answer_bars_and_model(browser: webdriver.Chrome, server: Server, tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes(plain("red"))
    (text,) = send(opened(browser, server), tmp_path / "red.png", answers=1)
    assert "red.png" in text
    assert "cat" in text
    assert "100.0 %" in text
    assert "model " in text
    image = browser.find_element(By.TAG_NAME, "img")
    assert browser.execute_script("return arguments[0].naturalWidth", image) == 40
    widths = [bar.size["width"] for bar in browser.find_elements(By.CSS_SELECTOR, ".bar i")]
    assert widths[0] > 100
    assert max(widths[1:]) <= 1


def test_a_pdf_gets_a_row_and_an_image_for_each_page(browser: webdriver.Chrome, server: Server, tmp_path: Path) -> None:
    red = plain("red", "JPEG")
    (tmp_path / "pages.pdf").write_bytes(pdf([red, plain("blue", "JPEG"), red]))
    texts = send(opened(browser, server), tmp_path / "pages.pdf", answers=3)
    assert ["page 1" in texts[0], "page 2" in texts[1], "repeats the first" in texts[2]] == [True, True, True]
    assert all(
        browser.execute_script("return arguments[0].naturalWidth", i) == 40 for i in browser.find_elements(By.TAG_NAME, "img")
    )


def test_what_is_refused_says_why_and_the_rest_is_answered(browser: webdriver.Chrome, server: Server, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    (tmp_path / "good.png").write_bytes(plain("blue"))
    texts = send(opened(browser, server), tmp_path / "bad.png", tmp_path / "good.png", answers=2)
    assert "other" in texts[0]
    assert "not a JPEG, PNG, WebP, AVIF, HEIC or GIF image" in texts[1]


@pytest.mark.parametrize("width", [360, 1200])
def test_why_is_shown_where_it_is_asked_for(browser: webdriver.Chrome, serve: Serve, tmp_path: Path, width: int) -> None:
    (tmp_path / "green.png").write_bytes(plain("lime"))
    with serve(explain_neighbours="true") as telling:
        opened(browser, telling, width)
        (text,) = send(browser, tmp_path / "green.png", answers=1)
        assert "like dog" not in text
        browser.find_element(By.ID, "why").click()
        text, _ = send(browser, tmp_path / "green.png", answers=2)
        assert "like dog: b.pdf, page 4" in text
        shown = browser.find_element(By.CSS_SELECTOR, "img[alt='the places that speak for the answer']")
        assert browser.execute_script("return arguments[0].naturalWidth", shown) == 8
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_a_text_is_asked_alone_and_beside_an_image_where_the_model_reads_texts(
    browser: webdriver.Chrome, server: Server, serve: Serve, tmp_path: Path
) -> None:
    assert not opened(browser, server).find_element(By.ID, "text").is_displayed()
    folder, known = write_model(tmp_path / "both"), texts()
    write_both(folder, known, Images(np.ones(SIZE, bool), 2 * np.eye(3)[known.targets], np.full(SIZE, 0.1)))
    (tmp_path / "blue.png").write_bytes(plain("blue"))
    with serve(model=str(folder)) as running:
        field = opened(browser, running).find_element(By.ID, "text")
        WebDriverWait(browser, 20).until(lambda _: field.is_displayed())
        field.send_keys("chat miaule")
        browser.find_element(By.CSS_SELECTOR, "#words button").click()
        WebDriverWait(browser, 20).until(lambda b: len(b.find_elements(By.TAG_NAME, "article")) == 1)
        told, alone = send(browser, tmp_path / "blue.png", answers=2)
        answers = [
            running.client.post("/v1/classify", json={"text": "chat miaule"}).json(),
            running.client.post("/v1/classify", data={"text": "chat miaule"}, files={"image": plain("blue")}).json(),
        ]
    for shown, answer in zip((alone, told), answers, strict=True):
        assert all(f"{100 * share:.1f} %" in shown for share in answer["probabilities"].values())
    assert answers[0]["probabilities"] != answers[1]["probabilities"]


def test_feedback_takes_one_click_and_the_visit_is_listed(browser: webdriver.Chrome, server: Server, tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes(plain("red"))
    send(opened(browser, server), tmp_path / "red.png", answers=1)
    browser.find_element(By.XPATH, "//button[starts-with(text(), 'dog')]").click()
    WebDriverWait(browser, 20).until(lambda b: "Thank you: kept as dog." in b.find_element(By.TAG_NAME, "article").text)
    assert browser.find_element(By.CSS_SELECTOR, "#history a").text.startswith("red.png: ")


@pytest.mark.parametrize(("width", "height"), [(360, 740), (1200, 800)])
def test_nothing_is_wider_than_the_screen(
    browser: webdriver.Chrome, server: Server, tmp_path: Path, width: int, height: int
) -> None:
    name = "a-very-long-name-without-a-space-that-a-camera-or-a-person-gave-it-in-the-end.png"
    (tmp_path / name).write_bytes(plain("lime", size=(900, 100)))
    send(opened(browser, server, width, height), tmp_path / name, answers=1)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    if folder := os.environ.get("QUIRE_SCREENSHOTS"):
        browser.save_screenshot(str(Path(folder, f"page-{width}.png")))


def test_the_keyboard_reaches_the_chooser(browser: webdriver.Chrome, server: Server) -> None:
    opened(browser, server)
    count = "event => { event.preventDefault(); window.clicks = 1; }"
    browser.execute_script(f"document.getElementById('file').addEventListener('click', {count})")
    ActionChains(browser).send_keys(Keys.TAB).perform()
    assert browser.switch_to.active_element.get_attribute("id") == "file"
    ActionChains(browser).send_keys(Keys.ENTER).perform()
    assert browser.execute_script("return window.clicks") == 1


def test_the_page_asks_no_address_but_the_service(browser: webdriver.Chrome, server: Server, tmp_path: Path) -> None:
    for kind in ("performance", "browser"):
        read_log(browser, kind)
    (tmp_path / "red.png").write_bytes(plain("red"))
    send(opened(browser, server), tmp_path / "red.png", answers=1)
    asked = [entry["message"] for entry in read_log(browser, "performance") if '"Network.requestWillBeSent"' in entry["message"]]
    urls = {part.split('"')[0] for message in asked for part in message.split('"url":"')[1:]}
    assert urls
    assert all(url.startswith((str(server.client.base_url).rstrip("/"), "blob:", "data:")) for url in urls), urls
    assert [entry for entry in read_log(browser, "browser") if entry["level"] in ("SEVERE", "WARNING")] == []
