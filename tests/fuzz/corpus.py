"""Image files that are damaged, lie or overreach, made from a seed: the same names and bytes each time."""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image

SIZE = (48, 40)


class Case(NamedTuple):
    """One file."""

    name: str
    content: bytes
    kind: str


def corpus(seed: int = 0) -> Iterator[Case]:
    """All files, sound ones first."""
    chance = np.random.default_rng(seed)
    sound = list(_sound(chance))
    yield from (Case(f"sound-{name}", content, "sound") for name, content in sound)
    for name, content in sound:
        for n, share in enumerate(np.linspace(0.02, 0.98, 10)):
            yield Case(f"cut{n}-{name}", content[: int(len(content) * share)], "cut")
        for n in range(10):
            yield Case(f"flip{n}-{name}", _flipped(content, chance, 2**n if n < 6 else 3, head=n >= 6), "flip")
    yield from _lying(dict(sound), chance)
    yield from _bombs()
    yield from _odd(chance)


def _picture(mode: str, chance: np.random.Generator) -> Image.Image:
    noise = Image.fromarray(chance.integers(0, 256, (SIZE[1], SIZE[0], 4), dtype=np.uint8))
    if mode == "I;16":
        return Image.fromarray(chance.integers(0, 65536, SIZE[::-1]).astype(np.uint16))
    if mode == "F":
        return Image.fromarray(chance.random(SIZE[::-1]).astype(np.float32))
    if mode == "LAB":
        return Image.fromarray(np.asarray(noise)[..., :3].copy(), "RGB").convert("RGB").convert("LAB")
    return noise.convert("RGB").convert(mode) if mode not in ("RGBA", "LA") else noise.convert(mode)


def _sound(chance: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    kinds = (
        [("PNG", mode, {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I")]
        + [("JPEG", mode, {"quality": 80}) for mode in ("L", "RGB", "CMYK")]
        + [("JPEG", "RGB", {"progressive": True}), ("JPEG", "RGB", {"subsampling": 2, "optimize": True})]
        + [("TIFF", mode, {}) for mode in ("1", "L", "RGB", "RGBA", "CMYK", "I;16", "F")]
        + [("TIFF", "RGB", {"compression": c}) for c in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")]
        + [("TIFF", "1", {"compression": "group4"})]
        + [("BMP", mode, {}) for mode in ("1", "L", "P", "RGB", "RGBA")]
        + [("WEBP", "RGB", {"lossless": True}), ("WEBP", "RGB", {"quality": 60}), ("WEBP", "RGBA", {"lossless": True})]
        + [("GIF", mode, {}) for mode in ("1", "L", "P")]
    )
    for n, (form, mode, options) in enumerate(kinds):
        picture = _picture(mode if mode != "I" else "I;16", chance)
        yield f"{n:02}-{mode.replace(';', '')}.{form.lower()}", _saved(picture, form, **options)
    frames = [_picture("P", chance) for _ in range(3)]
    yield "film.gif", _saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    yield (
        "film.webp",
        _saved(frames[0].convert("RGB"), "WEBP", save_all=True, append_images=[f.convert("RGB") for f in frames]),
    )
    yield "film.png", _saved(frames[0], "PNG", save_all=True, append_images=frames[1:])
    yield "pages.tiff", _saved(frames[0], "TIFF", save_all=True, append_images=frames[1:])


def _saved(picture: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def _flipped(content: bytes, chance: np.random.Generator, bits: int, *, head: bool) -> bytes:
    changed = bytearray(content)
    for at in chance.integers(0, min(len(content), 80) if head else len(content), bits):
        changed[at] ^= 1 << int(chance.integers(0, 8))
    return bytes(changed)


def png(
    width: int, height: int, depth: int = 8, colour: int = 2, interlace: int = 0, data: bytes = b"", *extra: bytes
) -> bytes:
    """A PNG of whatever its header says, each checksum right."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _lying(sound: dict[str, bytes], chance: np.random.Generator) -> Iterator[Case]:
    """Headers that state sizes, depths and offsets that the data does not bear out."""
    sizes = [
        (0, 0),
        (1, 1),
        (16, 2**31 - 1),
        (2**31 - 1, 2**31 - 1),
        (65535, 65535),
        (20000, 4999),
        (9999, 9999),
        (64, 64),
    ]
    for n, (width, height) in enumerate(sizes):
        yield Case(f"size{n}.png", png(width, height), "lying")
        yield Case(f"size{n}-some.png", png(width, height, data=zlib.compress(bytes(5000))), "lying")
        bmp = bytearray(next(c for k, c in sound.items() if k.endswith("RGB.bmp")))
        struct.pack_into("<ii", bmp, 18, min(width, 2**31 - 1), -min(height, 2**31 - 1))
        yield Case(f"size{n}.bmp", bytes(bmp), "lying")
        gif = bytearray(next(c for k, c in sound.items() if k.endswith("P.gif")))
        struct.pack_into("<HH", gif, 6, width % 65536, height % 65536)
        yield Case(f"size{n}.gif", bytes(gif), "lying")
        jpeg = bytearray(next(c for k, c in sound.items() if k.endswith("RGB.jpeg")))
        struct.pack_into(">HH", jpeg, jpeg.index(b"\xff\xc0") + 5, height % 65536, width % 65536)
        yield Case(f"size{n}.jpeg", bytes(jpeg), "lying")
        webp = (
            b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0"
            + struct.pack("<I", width % 2**24)[:3]
            + struct.pack("<I", height % 2**24)[:3]
        )
        yield Case(f"size{n}.webp", webp, "lying")
    for depth in (1, 2, 3, 4, 8, 16, 32):
        for colour in (0, 1, 2, 3, 4, 6, 7):
            yield Case(
                f"depth{depth}-{colour}.png", png(32, 32, depth, colour, depth % 2, zlib.compress(bytes(9000))), "lying"
            )
    tiff = next(c for k, c in sound.items() if k.endswith("RGB.tiff"))
    at = struct.unpack_from("<I", tiff, 4)[0]
    entries = struct.unpack_from("<H", tiff, at)[0]
    for entry in range(entries):
        for n, value in enumerate((0, 1, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)):
            for field in (4, 8):
                changed = bytearray(tiff)
                struct.pack_into("<I", changed, at + 2 + 12 * entry + field, value)
                yield Case(f"tag{entry}-{n}-{field}.tiff", bytes(changed), "lying")
    loop = bytearray(tiff)
    struct.pack_into("<I", loop, at + 2 + 12 * entries, at)
    yield Case("loop.tiff", bytes(loop), "lying")


def _bombs() -> Iterator[Case]:
    """Small files that want much: pixels, text, profiles, frames."""
    pixels = zlib.compress(bytes((3 * 9000 + 1) * 9000), 9)
    yield Case("bomb-81mp.png", png(9000, 9000, data=pixels), "bomb")
    yield Case("bomb-900mp.png", png(30000, 30000, data=zlib.compress(bytes(10**6))), "bomb")
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(200_000_000), 9))
    yield Case("bomb-text.png", png(32, 32, 8, 2, 0, zlib.compress(bytes(97 * 32)), text), "bomb")
    profile = chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(200_000_000), 9))
    yield Case("bomb-profile.png", png(32, 32, 8, 2, 0, zlib.compress(bytes(97 * 32)), profile), "bomb")
    frame = Image.new("P", (32, 32))
    yield Case("bomb-frames.gif", _saved(frame, "GIF", save_all=True, append_images=[frame] * 3000), "bomb")
    many = b"".join(chunk(b"tEXt", b"k%d\0" % n + b"x" * 50) for n in range(20_000))
    yield Case("bomb-chunks.png", png(32, 32, 8, 2, 0, zlib.compress(bytes(97 * 32)), many), "bomb")


def _odd(chance: np.random.Generator) -> Iterator[Case]:
    """Metadata that is nonsense, files of another kind, and noise behind every magic number."""
    for n in range(12):
        junk = chance.integers(0, 256, 40 * (n + 1), dtype=np.uint8).tobytes()
        picture = _picture("RGB", chance)
        yield Case(f"exif{n}.jpeg", _saved(picture, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08" + junk), "odd")
        yield Case(f"icc{n}.jpeg", _saved(picture, "JPEG", icc_profile=junk), "odd")
        yield Case(f"exif{n}.png", _saved(picture, "PNG", exif=b"Exif\0\0II*\0" + junk), "odd")
        yield Case(f"xmp{n}.webp", _saved(picture, "WEBP", exif=junk, icc_profile=junk), "odd")
    magics = (
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0",
        b"\xff\xd8\xff\xe1",
        b"II*\0",
        b"MM\0*",
        b"II+\0",
        b"BM",
        b"GIF89a",
        b"GIF87a",
        b"RIFF\0\0\0\0WEBPVP8 ",
        b"RIFF\0\0\0\0WEBPVP8L",
        b"%!PS-Adobe",
        b"8BPS",
        b"P6 9 9 255\n",
        b"SIMPLE",
        b"\0\0\1\0",
        b"gimp xcf",
        b"<svg",
        b"%PDF-1.7",
        b"PK\3\4",
        b"\x7fELF",
        b"#!/bin/sh\n",
        b"qoif",
        b"",
    )
    for n, magic in enumerate(magics):
        for length in (0, 10, 3000):
            yield Case(
                f"magic{n}-{length}.png", magic + chance.integers(0, 256, length, dtype=np.uint8).tobytes(), "odd"
            )
