"""What people pass to the Python interface, and what they print of it."""

import asyncio
import io
import pickle
from multiprocessing import get_context

import numpy as np
import pytest
import torch
from PIL import Image

from agent.photo_input import references_of, sample_of
from agent.products.spec import ProductSpec
from looktwice import Inspector
from looktwice.examples import examples
from tools.errors import InputError
from tools.images import load_sample, sample_from_array, sample_from_picture

WOOD = next(e for e in examples() if e.name == "wood")


@pytest.fixture(scope="module")
def inspector():
    return Inspector("nano", looks=0)


@pytest.fixture(scope="module")
def report(inspector):
    return inspector.inspect(Image.open(WOOD.photos[0]))


def test_a_pil_image_is_the_photo_of_its_file(inspector, report):
    assert report.verdict == inspector.inspect(WOOD.photos[0]).verdict


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "I;16", "F"])
def test_pil_images_of_other_modes_are_taken_as_from_a_file(tmp_path, mode):
    grey = Image.fromarray(np.arange(1024, dtype=np.uint8).reshape(32, 32) % 200)
    picture = Image.fromarray(np.asarray(grey, np.uint16) * 20) if mode == "I;16" else grey.convert(mode)
    path = tmp_path / ("photo.tif" if mode in ("CMYK", "F", "I;16") else "photo.png")
    picture.save(path)
    assert sample_from_picture(picture).digest == load_sample(path).digest


def test_an_inspector_is_pickled_by_what_it_was_made_with():
    made = Inspector("nano", looks=2, prior=0.2, language="zh")
    again = pickle.loads(pickle.dumps(made))
    assert (again.profile, again.context.budget.looks, again.context.prior) == ("nano", 2, 0.2)
    assert again.context.language == "zh"


PIXELS = np.random.default_rng(0).integers(0, 200, (24, 32, 3), dtype=np.uint8)
GREY = PIXELS[..., 0]
OPAQUE = np.dstack([PIXELS, np.full((24, 32), 255, np.uint8)])


@pytest.mark.parametrize(
    ("given", "same"),
    [
        (GREY, np.dstack([GREY] * 3)),
        (GREY[..., None], np.dstack([GREY] * 3)),
        (OPAQUE, PIXELS),
        (PIXELS[::-1, ::-1], PIXELS[::-1, ::-1].copy()),
        (PIXELS.astype(np.uint16) * 257, PIXELS),
        (PIXELS.astype(np.int64), PIXELS),
        (PIXELS.astype(np.float32), PIXELS),
        (PIXELS / 255, PIXELS),
        (OPAQUE.astype(np.uint16) * 257, PIXELS),
        (OPAQUE / 255, PIXELS),
        (torch.from_numpy(PIXELS).permute(2, 0, 1), PIXELS),
        (torch.from_numpy(PIXELS).permute(2, 0, 1) / 255, PIXELS),
        (torch.from_numpy(GREY.copy())[None], np.dstack([GREY] * 3)),
    ],
)
def test_arrays_and_tensors_of_all_kinds_are_the_same_photo(given, same):
    assert sample_of(given).digest == sample_from_array(same).digest


def test_a_grey_array_of_16_bits_is_the_photo_of_its_file(tmp_path):
    values = np.arange(1024, dtype=np.uint16).reshape(32, 32) * 60
    Image.fromarray(values).save(tmp_path / "photo.png")
    assert sample_of(values).digest == load_sample(tmp_path / "photo.png").digest


def test_bytes_and_open_files_are_read_as_files_are(tmp_path):
    content = WOOD.photos[0].read_bytes()
    with WOOD.photos[0].open("rb") as stream:
        given = [sample_of(content), sample_of(bytearray(content)), sample_of(io.BytesIO(content)), sample_of(stream)]
    assert {sample.digest for sample in given} == {load_sample(WOOD.photos[0]).digest}
    assert {sample.path for sample in given} == {None}
    with pytest.raises(InputError, match="a photo of 5 bytes: holds text"):
        sample_of(b"hello")
    with pytest.raises(InputError, match="open it for bytes"):
        sample_of(io.StringIO("hello"))


@pytest.mark.parametrize(
    ("photo", "said"),
    [
        (None, "cv2.imread returns None"),
        (3, "given as int; accepted are a path, bytes"),
        (["a.png"], "given as list; accepted are a path, bytes"),
        (np.zeros((2, 24, 32, 3), np.uint8), "one photo at a time"),
        (np.zeros((24, 32, 2), np.uint8), "shape \\(24, 32, 2\\)"),
        (np.full((24, 32), np.nan), "finite fractions"),
        (np.array([["a"]]), "whole numbers"),
    ],
)
def test_what_is_no_photo_is_one_sentence(inspector, photo, said):
    with pytest.raises(InputError, match=said):
        inspector.inspect(photo)


def test_references_are_a_folder_a_path_a_pattern_or_any_list_of_them(tmp_path):
    for name in ("a.png", "b.png", "c.jpg"):
        Image.fromarray(PIXELS).save(tmp_path / name)
    a, b, c = (tmp_path / name for name in ("a.png", "b.png", "c.jpg"))
    assert references_of(tmp_path) == references_of(str(tmp_path)) == [a, b, c]
    assert references_of(a) == [a] and references_of([a, tmp_path]) == [a, a, b, c]
    assert references_of(f"{tmp_path}/*.png") == references_of(iter([f"{tmp_path}/[ab].*"])) == [a, b]
    assert [type(item).__name__ for item in references_of([PIXELS, b])] == ["Sample", "PosixPath"]
    assert len(references_of(np.stack([PIXELS, PIXELS]))) == 2 and len(references_of(PIXELS)) == 1
    for wrong, said in (
        (f"{tmp_path}/*.bmp", "none matches the pattern"),
        (None, "given as NoneType"),
        ([None], "cv2"),
    ):
        with pytest.raises(InputError, match=said):
            references_of(wrong)


def test_a_photo_that_cannot_be_read_is_refused_before_anything_is_learned(inspector, monkeypatch):
    monkeypatch.setattr("agent.steps.first_look.learn", lambda *_, **__: pytest.fail("it learned"))
    with pytest.raises(InputError, match="no such file"):
        inspector.inspect("nothere.png", references=WOOD.references)
    with pytest.raises(InputError, match="no such file"):
        inspector.inspect(WOOD.photos[0], references=[*WOOD.references, "nothere.png"])


def test_a_product_is_given_by_name_or_path_and_read_again_when_its_file_changes(inspector, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "products").mkdir()
    ProductSpec(name="board", product="board").save(tmp_path / "products" / "board.yaml")
    known = inspector._product("board")
    assert known is inspector._product(tmp_path / "products" / "board.yaml") and known.name == "board"
    ProductSpec(name="board", product="plank").save(tmp_path / "products" / "board.yaml")
    assert inspector._product("board").spec.product == "plank"
    assert inspector._product("bottle").name == "bottle"
    with pytest.raises(InputError, match="looktwice learn plank"):
        inspector.inspect(WOOD.photos[0], product="plank")


def test_an_event_loop_goes_on_while_photos_are_inspected_in_threads(inspector):
    small, ticks = load_sample(WOOD.photos[0]).image[:64, :64], []

    async def tick():
        while True:
            ticks.append(1)
            await asyncio.sleep(0.02)

    async def both():
        clock = asyncio.create_task(tick())
        assert (await inspector.alearn("product", [])).references == ()
        found = await asyncio.gather(inspector.ainspect(small), inspector.ainspect(small))
        clock.cancel()
        return found, inspector.inspect(small)

    found, within = asyncio.run(both())
    assert [r.verdict.score for r in found] == [within.verdict.score] * 2
    assert len(ticks) > 5


def test_a_forked_process_inspects_with_an_inspector_that_its_parent_used(inspector, report):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.nn.functional.conv2d(torch.ones(8, 64, 64, 64), torch.ones(64, 64, 3, 3))  # starts threads of the parent
    found = get_context("fork").SimpleQueue()
    worker = get_context("fork").Process(
        target=lambda: found.put((inspector.inspect(WOOD.photos[0]).verdict.score, torch.get_num_threads()))
    )
    worker.start()
    try:
        worker.join(30)
        assert worker.exitcode == 0
        score, threads = found.get()
        assert score == pytest.approx(report.verdict.score, abs=1e-4) and threads == 1
    finally:
        worker.kill()
        torch.set_num_threads(before)


def test_a_report_prints_one_line_and_shows_its_page_in_a_notebook(report):
    assert "\n" not in repr(report) and len(repr(report)) < 200
    assert str(round(report.verdict.score, 3)) in repr(report)
    assert "<iframe" in report._repr_html_()
    read = type(report).model_validate_json(report.to_json())
    assert report.explanation[0].text[:20] in read._repr_html_()
