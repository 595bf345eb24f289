"""The page as a person uses it, in a real browser, with the embedded models."""

import json
import re
from urllib.parse import urlparse

import pytest
from page_server import browser, served

from looktwice.examples import examples

LONG = 60_000
"""Milliseconds that an inspection may take on a busy machine."""


@pytest.fixture(scope="module")
def example():
    return next(e for e in examples() if e.name == "wood")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    from looktwice import Inspector

    inspector = Inspector("nano", looks=1)
    with served(tmp_path_factory.mktemp("page"), lambda: inspector) as found:
        yield found


@pytest.fixture(scope="module")
def chromium():
    with browser() as opened:
        yield opened


@pytest.fixture
def page(chromium, address):
    opened = chromium.new_page(viewport={"width": 1300, "height": 950})
    opened.hosts, opened.faults = set(), []
    opened.on("request", lambda r: opened.hosts.add(urlparse(r.url).hostname))
    opened.on("pageerror", lambda e: opened.faults.append(str(e)))
    opened.goto(address)
    opened.wait_for_selector("#inspect", timeout=LONG)
    yield opened
    assert opened.faults == []
    opened.close()


def upload(page, where, files):
    page.set_input_files(f"{where} input[type=file]", files)


def hole(example):
    return next(p for p in example.photos if p.stem == "hole")


def inspected(page, example):
    upload(page, "#photo", str(hole(example)))
    page.wait_for_selector("#photo img", timeout=LONG)
    upload(page, "#good", [str(r) for r in example.references])
    page.wait_for_selector("#good img", timeout=LONG)
    page.fill("#normal textarea", example.normal)
    page.click("#inspect")
    page.wait_for_selector(".lt-verdict", timeout=LONG)


def take_example(page, index, word):
    """Clicks a shipped example, and waits until its photo is the one that an inspection would take."""
    page.locator("#examples button").nth(index).click()
    page.wait_for_function(f"document.querySelector('#normal textarea').value.includes('{word}')", timeout=LONG)
    page.wait_for_function("document.querySelector('#photo img')?.naturalWidth > 0", timeout=LONG)


def test_from_a_photo_to_a_verdict_with_evidence_that_lights_up(page, example):
    inspected(page, example)
    assert page.inner_text(".lt-verdict h2") == "Anomalous (sure)"
    assert page.hosts <= {"127.0.0.1", None, ""}
    cite = page.locator(".lt-why .lt-cite").first
    cite.click()
    lit = page.locator(".lt-mark.is-lit")
    assert cite.get_attribute("data-cite") in lit.first.get_attribute("data-ids").split()
    assert page.locator(".lt-pair:visible img").count() == 2
    page.locator("[data-layer=boxes]").uncheck()
    page.mouse.move(0, 0)
    page.locator("[data-fade]").fill("20")
    assert page.locator(".lt-view").evaluate("e => getComputedStyle(e).getPropertyValue('--fade')") == "0.2"
    page.locator("[data-layer=map]").uncheck()
    assert not page.locator(".lt-map").is_visible()
    assert all(image.get_attribute("alt") is not None for image in page.locator("#view img").all())


def test_a_question_is_answered_with_its_evidence_and_shown_as_it_was_typed(page, example):
    inspected(page, example)
    before = page.locator("#chat .lt-said").count()
    page.fill("#question textarea", "Why is it bad? <script>alert(1)</script>")
    page.press("#question textarea", "Enter")
    page.wait_for_function(f"document.querySelectorAll('#chat .lt-said').length >= {before + 2}", timeout=LONG)
    page.wait_for_selector("#inspect:not([disabled])", timeout=LONG)
    said = page.locator("#chat .lt-said")
    assert "<script>" in page.inner_text("#chat")
    below = "document.querySelector('#chat .lt-chat').scrollHeight - document.querySelector('#chat .lt-chat').scrollTop"
    page.wait_for_function(f"{below} - document.querySelector('#chat .lt-chat').clientHeight < 2", timeout=LONG)
    assert page.locator("#chat script").count() == 0
    assert said.last.locator(".lt-cite").count() > 0


def test_a_good_photo_teaches_the_product(page, example):
    inspected(page, example)
    page.click("#this-is-good")
    page.wait_for_selector("#chat :text('references more')", timeout=LONG)


def test_what_is_no_photo_is_named_and_the_page_lives_on(page, tmp_path, example):
    bad = tmp_path / "not a photo.png"
    bad.write_text("hello")
    upload(page, "#photo", str(bad))
    page.wait_for_timeout(800)
    page.click("#inspect")
    page.wait_for_selector("#view .lt-trouble", timeout=LONG)
    assert "not a photo.png" in page.inner_text("#view .lt-trouble")
    assert "/gradio/" not in page.inner_text("#view .lt-trouble")
    take_example(page, 4, "wooden")
    page.click("#inspect")
    page.wait_for_selector(".lt-verdict", timeout=LONG)


def test_an_example_is_shown_to_a_visitor_though_another_has_uploaded_the_same_photo(chromium, address, example):
    for first in (True, False):
        visitor = chromium.new_context()
        page = visitor.new_page()
        page.goto(address)
        page.wait_for_selector("#inspect", timeout=LONG)
        if first:
            upload(page, "#photo", str(hole(example)))
            page.wait_for_function("document.querySelector('#photo img')?.naturalWidth > 0", timeout=LONG)
        else:
            take_example(page, 4, "wooden")
        visitor.close()


def test_stop_stops_at_once_and_the_next_inspection_goes_through(page):
    take_example(page, 0, "tomatoes")
    page.click("#inspect")
    page.wait_for_selector(".lt-steps li", timeout=LONG)
    page.click("#stop")
    page.wait_for_selector("#view .is-note", timeout=5_000)
    assert "stopped after" in page.inner_text("#view .is-note")
    take_example(page, 4, "wooden")
    page.click("#inspect")
    page.wait_for_selector(".lt-verdict", timeout=LONG)


def test_every_tab_is_as_wide_as_the_others(page):
    widths = set()
    for name in ("Inspect and chat", "Products", "Batch", "Evals"):
        page.get_by_role("tab", name=name).click()
        page.wait_for_timeout(100)
        widths.add(round(page.locator(".gradio-container").first.bounding_box()["width"]))
    assert len(widths) == 1


def test_no_photo_at_all_is_said_in_a_sentence(page):
    page.click("#inspect")
    page.wait_for_selector("#view .lt-trouble", timeout=LONG)
    assert "no photo yet" in page.inner_text("#view .lt-trouble")


def test_a_product_is_learned_edited_with_its_faults_told_and_tested(page, example):
    page.get_by_role("tab", name="Products").click()
    page.fill("#learn-name textarea, #learn-name input", "board")
    upload(page, "#learn-photos", [str(r) for r in example.references])
    page.wait_for_function("document.querySelector('#learn-photos').innerText.includes('003')", timeout=LONG)
    page.click("#learn")
    page.wait_for_selector("#product-told .is-fine", timeout=LONG)
    page.wait_for_selector("#spec :text('rules:')", timeout=LONG)
    page.locator("#spec .cm-content").click()
    page.keyboard.press("Control+Home")
    page.keyboard.type("weight: 3\n")
    page.wait_for_selector("#product-told .is-trouble :text('line 1: field weight')", timeout=LONG)
    page.keyboard.press("Control+z")
    upload(page, "#test-photo", str(hole(example)))
    page.wait_for_selector("#test-photo img", timeout=LONG)
    page.click("#test")
    page.wait_for_selector("#fired td .lt-chip", timeout=LONG)
    page.reload()
    page.wait_for_selector("#inspect", timeout=LONG)
    for listed in ("#product", "#batch-product"):
        page.get_by_role("tab", name="Batch" if "batch" in listed else "Inspect and chat").click()
        page.click(f"{listed} input")
        options = page.get_by_role("option").all_inner_texts()
        assert {"board", "bottle"} <= {option.strip() for option in options}
        page.keyboard.press("Escape")


def test_a_batch_is_counted_live_and_handed_on_as_files(page, example, tmp_path):
    text = tmp_path / "<img src=x onerror=alert(1)>.png"
    text.write_text("hello")
    page.get_by_role("tab", name="Batch").click()
    upload(page, "#batch-photos", [str(p) for p in (*example.photos, text)])
    upload(page, "#batch-good", [str(r) for r in example.references])
    page.wait_for_function("document.querySelector('#batch-good').innerText.includes('003')", timeout=LONG)
    page.wait_for_function("document.querySelector('#batch-photos').innerText.includes('onerror')", timeout=LONG)
    page.click("#batch-run")
    page.wait_for_selector("#get-csv:not([disabled])", timeout=LONG)
    assert page.inner_text("[data-count=refused]") == "1"
    assert page.inner_text("[data-count=anomalous]") == "2"
    assert page.locator("#table img[src=x]").count() == 0
    page.locator("#table .lt-open", has_text="hole").click()
    page.wait_for_selector("#batch-report .lt-verdict.is-anomalous", timeout=LONG)
    with page.expect_download() as coming:
        page.click("#get-json")
    told = json.loads(coming.value.path().read_text())
    assert len(told["photos"]) == 4
    page.fill("#threshold input[type=number]", "0.1")
    page.press("#threshold input[type=number]", "Enter")
    page.wait_for_function("document.querySelector('[data-count=anomalous]').innerText === '3'", timeout=LONG)


def test_dark_and_narrow_pages_keep_everything_within_the_screen(chromium, address, example):
    page = chromium.new_page(viewport={"width": 390, "height": 800}, color_scheme="dark")
    page.goto(f"{address}?__theme=dark")
    page.wait_for_selector("#inspect", timeout=LONG)
    take_example(page, 4, "wooden")
    page.click("#inspect")
    page.wait_for_selector(".lt-verdict", timeout=LONG)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    verdict, button = (page.locator(s).bounding_box()["y"] for s in (".lt-verdict", "#inspect"))
    assert verdict < button
    ink, ground = (
        page.evaluate(f"getComputedStyle(document.querySelector('{s}')).{p}")
        for s, p in ((".lt-why", "color"), ("body", "backgroundColor"))
    )
    light = [sum(map(int, re.findall(r"\d+", c)[:3])) / 3 for c in (ink, ground)]
    assert light[0] - light[1] > 150
    page.close()
