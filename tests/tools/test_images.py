"""Photos in: the right pixels, or one sentence that says which file, what it is, what is accepted and what to do."""

import contextlib
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.tools.deep_photos import png_of_16_bits
from tools.errors import InputError
from tools.image_files import find_images
from tools.images import load_sample, sample_from_array

GRADIENT = np.dstack([np.tile(np.arange(64, dtype=np.uint8) * 4, (32, 1))] * 3)
GRADIENT[..., 2] = 30


def saved(path, picture=None, **options):
    (Image.fromarray(GRADIENT) if picture is None else picture).save(path, **options)
    return path


def refusal(path):
    with warnings.catch_warnings(), pytest.raises(InputError) as caught:
        warnings.simplefilter("error")
        load_sample(path)
    message = str(caught.value)
    assert path.name in message
    assert "\n" not in message
    assert message.endswith(".")
    return message


def png_header(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.webp", "A.PNG"])
def test_lossless_formats_give_the_pixels_themselves(tmp_path, name):
    options = {"lossless": True} if name.endswith("webp") else {}
    sample = load_sample(saved(tmp_path / name, **options))
    assert np.array_equal(sample.image, GRADIENT)
    assert sample.size == (64, 32)


def test_a_photo_has_one_digest_whatever_its_format(tmp_path):
    digests = {load_sample(saved(tmp_path / name)).digest for name in ("a.png", "b.bmp")}
    assert digests == {sample_from_array(GRADIENT).digest}
    assert sample_from_array(GRADIENT[:, ::-1].copy()).digest not in digests


def test_the_same_bytes_in_another_shape_have_another_digest():
    assert (
        sample_from_array(np.zeros((16, 64, 3), np.uint8)).digest
        != sample_from_array(np.zeros((64, 16, 3), np.uint8)).digest
    )


def test_exif_rotation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    sample = load_sample(saved(tmp_path / "turned.png", exif=exif))
    assert sample.size == (32, 64)
    assert np.array_equal(sample.image, np.rot90(GRADIENT, -1))


def test_cmyk_becomes_rgb(tmp_path):
    red = Image.new("CMYK", (32, 32), (0, 255, 255, 0))
    assert load_sample(saved(tmp_path / "a.jpg", red)).image[16, 16].astype(int) == pytest.approx([254, 0, 0], abs=4)


def test_a_palette_becomes_rgb(tmp_path):
    picture = Image.fromarray(GRADIENT).quantize(8)
    assert load_sample(saved(tmp_path / "a.png", picture)).image.shape == (32, 64, 3)


@pytest.mark.parametrize("highest", [1023, 4095, 65535])
def test_deep_grey_is_scaled_by_the_depth_it_uses(tmp_path, highest):
    ramp = np.tile(np.linspace(0, highest, 64), (32, 1)).astype(np.uint16)
    image = load_sample(saved(tmp_path / "deep.png", Image.fromarray(ramp))).image
    assert image[0, 0].tolist() == [0, 0, 0]
    assert image[0, -1].tolist() == [255, 255, 255]
    assert np.all(np.diff(image[0, :, 0].astype(int)) >= 0)


def test_two_deep_photos_of_one_camera_stay_comparable(tmp_path):
    bright, dim = np.full((32, 32), 4000, np.uint16), np.full((32, 32), 3000, np.uint16)
    values = [
        load_sample(saved(tmp_path / f"{n}.png", Image.fromarray(a))).image[0, 0, 0]
        for n, a in enumerate((bright, dim))
    ]
    assert values[1] / values[0] == pytest.approx(0.75, abs=0.01)


def test_fractions_are_scaled_from_one(tmp_path):
    half = Image.fromarray(np.full((32, 32), 0.5, np.float32))
    assert load_sample(saved(tmp_path / "a.tif", half)).image[0, 0, 0] == 128


def test_values_that_are_no_numbers_are_refused(tmp_path):
    assert "finite" in refusal(saved(tmp_path / "a.tif", Image.fromarray(np.full((32, 32), np.nan, np.float32))))


def test_transparency_is_laid_on_white(tmp_path):
    clear = np.zeros((32, 32, 4), np.uint8)
    clear[:16, :, 3] = 255
    image = load_sample(saved(tmp_path / "a.png", Image.fromarray(clear))).image
    assert image[0, 0].tolist() == [0, 0, 0]
    assert image[-1, -1].tolist() == [255, 255, 255]


def test_of_an_animation_the_first_frame_is_taken(tmp_path):
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    path = tmp_path / "a.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert load_sample(path).image[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("text.png", b"hello, I am no photo", "text"),
        ("empty.jpg", b"", "0 bytes"),
        ("paper.png", b"%PDF-1.7 ...", "PDF"),
        ("phone.jpg", b"\x00\x00\x00\x18ftypheic\x00\x00", "HEIF"),
        ("noise.png", bytes(range(128, 256)) * 4, "unknown"),
        ("bomb.png", png_header(30_000, 30_000), "megapixels"),
        ("large.png", png_header(12_000, 10_000), "120 megapixels"),
        ("dot.png", png_header(1, 1), "too small"),
        ("header.png", png_header(64, 64), "damaged"),
    ],
)
def test_what_is_no_photo_is_refused_by_what_it_is(tmp_path, name, content, said):
    path = tmp_path / name
    path.write_bytes(content)
    assert said in refusal(path)


@pytest.mark.parametrize("name", ["cut.jpg", "cut.png", "cut.tif", "cut.gif", "cut.webp", "cut.bmp"])
def test_a_truncated_photo_is_refused(tmp_path, name):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    path = saved(tmp_path / name, noise)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refusal(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    assert "no such file" in refusal(tmp_path / "none.png")
    assert "folder" in refusal(tmp_path)


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_file_never_gets_through_as_another_error(tmp_path, seed):
    chance = np.random.default_rng(seed)
    name = ("a.png", "a.jpg", "a.gif", "a.tif", "a.webp", "a.bmp")[seed % 6]
    data = bytearray(saved(tmp_path / name).read_bytes())
    for at in chance.integers(0, len(data), 8):
        data[at] = int(chance.integers(0, 256))
    (tmp_path / name).write_bytes(bytes(data))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with contextlib.suppress(InputError):
            assert load_sample(tmp_path / name).image.ndim == 3


@pytest.mark.parametrize(
    "array",
    [np.zeros((32, 32), np.uint8), np.zeros((32, 32, 3), np.float32), np.zeros((32, 32, 4), np.uint8), "a.png"],
)
def test_arrays_of_another_kind_are_refused(array):
    with pytest.raises(InputError, match="uint8"):
        sample_from_array(array)


def test_an_array_is_copied():
    array = GRADIENT.copy()
    sample = sample_from_array(array)
    array[:] = 0
    assert np.array_equal(sample.image, GRADIENT)


def test_photos_of_a_folder_are_sorted_and_the_rest_left_out(tmp_path):
    for name in ("b.png", "a.JPG"):
        saved(tmp_path / name, format="PNG")
    (tmp_path / "notes.txt").write_text("no photo")
    (tmp_path / ".hidden.png").write_text("no photo")
    assert [p.name for p in find_images(tmp_path)] == ["a.JPG", "b.png"]


def test_photos_of_subfolders_are_found_but_for_hidden_ones_and_a_loop_of_links_ends(tmp_path):
    for name in ("b/deep/1.png", "a/2.png", "c.png", ".cache/3.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        saved(tmp_path / name)
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    assert [p.relative_to(tmp_path).as_posix() for p in find_images(tmp_path)] == ["a/2.png", "b/deep/1.png", "c.png"]


@pytest.mark.parametrize("name", ["a.pgm", "a.jp2", "a.avif", "a.jfif", "a.jpe", "a.dib"])
def test_photos_of_less_common_formats_are_found_and_read(tmp_path, name):
    form = {"jfif": "JPEG", "jpe": "JPEG", "dib": "BMP"}.get(name[2:])
    saved(tmp_path / name, Image.fromarray(GRADIENT[..., 0] if name == "a.pgm" else GRADIENT), format=form)
    (found,) = find_images(tmp_path)
    shown = load_sample(found).image.astype(int)
    assert np.abs(shown[..., 0] - GRADIENT[..., 0]).mean() < 4


def test_image_files_that_are_not_read_are_given_so_that_each_is_named(tmp_path):
    heif = b"\x00\x00\x00\x18ftypheic\x00\x00"
    contents = {"a.heic": heif, "b.CR3": b"\x00\x00\x00\x18ftypcrx \x00", "c.psd": b"8BPS", "d.txt": b"no photo"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    found = find_images(tmp_path)
    assert [p.name for p in found] == ["a.heic", "b.CR3", "c.psd"]
    for path, said in zip(found, ("HEIC", "camera raw", "Photoshop"), strict=True):
        assert said in refusal(path)


def test_camera_raw_files_are_refused_although_they_hold_a_thumbnail(tmp_path):
    assert "camera raw" in refusal(saved(tmp_path / "a.dng", format="TIFF"))
    assert "camera raw" in refusal(saved(tmp_path / "a.tif", tiffinfo={50706: b"\x01\x04\x00\x00"}))


def test_of_several_pages_the_first_is_inspected_and_a_note_says_so(tmp_path):
    pages = [Image.fromarray(GRADIENT), Image.new("RGB", (32, 32)), Image.new("L", (32, 32))]
    for name in ("a.tif", "a.gif"):
        pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:])
    assert load_sample(tmp_path / "a.tif").notes[0].startswith("it has 3 pages; only page 1 was inspected")
    assert "only its first frame" in load_sample(tmp_path / "a.gif").notes[0]
    assert load_sample(saved(tmp_path / "b.tif")).notes == ()


@pytest.mark.parametrize("bits", [8, 16])
def test_an_alpha_that_is_zero_everywhere_is_ignored_and_a_note_says_so(tmp_path, bits):
    clear = np.dstack([GRADIENT, np.zeros(GRADIENT.shape[:2], np.uint8)])
    path = tmp_path / "a.png"
    if bits == 16:
        path.write_bytes(png_of_16_bits(clear.astype(np.uint16) * 257))
    else:
        Image.fromarray(clear).save(path)
    sample = load_sample(path)
    assert np.array_equal(sample.image, GRADIENT)
    assert "alpha" in sample.notes[0]


def test_a_folder_without_photos_is_refused(tmp_path):
    (tmp_path / "inner").mkdir()
    with pytest.raises(InputError, match=r"holds no photos.*subfolders") as caught:
        find_images(tmp_path)
    assert str(tmp_path) in str(caught.value)
    saved(tmp_path / "photo.png")
    with pytest.raises(InputError, match="cannot be read as a folder"):
        find_images(tmp_path / "photo.png")
    with pytest.raises(InputError, match="no such folder"):
        find_images(tmp_path / "none")
