"""Photos that declare too much, and servers that redirect, repeat the key or give no numbers."""

import io
import math
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from scripted_server import said, served_by_script

from tools.errors import InputError, ModelError
from tools.images import decoded_bytes, load_sample
from tools.profiles.specification import ServedSpec
from tools.vlm import Turn
from tools.vlm.server import ServerVLM


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with served_by_script() as found:
        yield found


def vlm(server):
    return ServerVLM(ServedSpec(url=server.url, model="m", retries=0))


def jpeg(width, height):
    """A JPEG of a few hundred bytes that declares this size."""
    stream = io.BytesIO()
    Image.new("RGB", (32, 32)).save(stream, "JPEG")
    data = bytearray(stream.getvalue())
    struct.pack_into(">HH", data, data.index(b"\xff\xc0") + 5, height, width)
    return bytes(data)


def test_a_jpeg_that_declares_much_and_holds_little_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    path = tmp_path / "x.jpg"
    path.write_bytes(jpeg(9000, 9000))
    monkeypatch.setattr("tools.images.decode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(InputError, match="bytes for 9000 x 9000"):
        load_sample(path)


def test_the_emptiest_real_jpeg_is_accepted(tmp_path):
    path = tmp_path / "x.jpg"
    Image.new("RGB", (3000, 3000), "white").save(path, "JPEG", quality=1, optimize=True, progressive=True)
    assert load_sample(path).size == (3000, 3000)


def test_grey_16_bit_transparency_is_laid_on_white(tmp_path):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + struct.pack(">32H", *([0] * 16 + [1000] * 16)) for _ in range(32))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 32, 32, 16, 0, 0, 0, 0)) + chunk(b"tRNS", struct.pack(">H", 1000))
    path = tmp_path / "x.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    image = load_sample(path).image
    assert (image[:, 16:] == 255).all()
    assert (image[:, :16] == 0).all()


def test_decoded_bytes_count_every_copy_and_a_limit_holds(tmp_path, monkeypatch):
    path = tmp_path / "x.tif"
    Image.fromarray(np.ones((100, 200), np.float32)).save(path)
    assert decoded_bytes(path) == 100 * 200 * 22
    monkeypatch.setattr("tools.images.LARGEST_DECODED", 1000)
    with pytest.raises(InputError, match="while it is decoded"):
        load_sample(path)
    path.write_bytes(b"no photo")
    with pytest.raises(InputError):
        decoded_bytes(path)


def test_a_damaged_tiff_writes_nothing_to_standard_error(tmp_path, capfd):
    path = tmp_path / "x.tif"
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, compression="tiff_lzw")
    data = bytearray(path.read_bytes())
    for at in range(200, 4000, 7):
        data[at] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(InputError):
        load_sample(path)
    assert capfd.readouterr().err == ""


def test_a_redirect_to_another_host_gets_no_photo(server, monkeypatch):
    from scripted_server import Scripted

    with served_by_script() as other:

        def redirect(handler, status, told):
            if handler.server is other:
                return answer(handler, status, told)
            handler.send_response(307)
            handler.send_header("Location", f"{other.url}/chat/completions")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return None

        answer = Scripted.answer
        monkeypatch.setattr(Scripted, "answer", redirect)
        with pytest.raises(ModelError, match="redirects to another address"):
            vlm(server).answer([np.zeros((32, 32, 3), np.uint8)], [Turn("user", "good?", 1)])
        assert other.seen == []


def test_no_part_of_the_key_is_told_where_a_message_is_cut(server, monkeypatch):
    key = "sk-" + "very-secret-" * 6
    monkeypatch.setenv("LOOKTWICE_SERVER_KEY", key)
    for before in (0, 100, 150, 180, 190):
        server.script = [(400, {"error": {"message": "x" * before + key}}, 0)]
        with pytest.raises(ModelError) as caught:
            vlm(server).answer([], [Turn("user", "good?")])
        assert "very" not in str(caught.value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e9])
def test_likelihoods_that_are_no_numbers_are_refused(server, value):
    given = [{"token": "Yes", "logprob": value, "bytes": None}]
    first = {"token": "Yes", "logprob": value, "bytes": None, "top_logprobs": given}
    server.script = [(200, said("Yes", {"content": [first]}), 0)]
    with pytest.raises(ModelError, match="log-probability"):
        vlm(server).yes_no([], [Turn("user", "good?")])
