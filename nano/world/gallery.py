"""One page to look at every family: good ones, and each defect with its region outlined."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from jinja2 import Environment
from PIL import Image

from nano.world.make import family, render
from nano.world.scene import Scene
from nano.world.words import FAMILIES, HELDOUT
from tools.errors import InputError
from tools.types import RGB

OUTLINE = (255, 0, 200)


def write_gallery(
    path: Path,
    *,
    seed: int,
    families: Sequence[str] | None = None,
    goods: int = 4,
    style: str = "plain",
    size: int = 256,
) -> None:
    """Writes a self-contained HTML page; every defect is shown without and with its outline.

    Raises:
        InputError: an unknown family or style, or a path that cannot be written.
    """
    names = [family(name).name for name in families or FAMILIES]
    html = "".join(_page(names, seed, goods, style, size))
    path = Path(path)
    aside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(html, encoding="utf-8")
        aside.replace(path)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        raise InputError(f"The gallery cannot be written to {path}: {error.strerror}; name another file.") from error


def _page(names: Sequence[str], seed: int, goods: int, style: str, size: int) -> Iterator[str]:
    template = (Path(__file__).parent / "gallery.html.jinja").read_text(encoding="utf-8")
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(template)
    shown = [
        {
            "about": family(name),
            "heldout": name in HELDOUT,
            "goods": [_good(render(name, seed=seed, index=n, size=size, style=style)) for n in range(goods)],
            "defects": [
                _bad(render(name, seed=seed, index=goods + n, defect=defect, size=size, style=style))
                for n, defect in enumerate(family(name).defects)
            ],
        }
        for name in names
    ]
    yield from page.generate(families=shown, seed=seed, style=style, size=size)


def _good(scene: Scene) -> str:
    return _link(scene.image)


def _bad(scene: Scene) -> dict[str, object]:
    return {"plain": _link(scene.image), "outlined": _link(_outlined(scene)), "defect": scene.defects[0]}


def _outlined(scene: Scene) -> RGB:
    mask = np.pad(scene.anomaly_mask, 1)
    inner = mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    image = scene.image.copy()
    image[mask[1:-1, 1:-1] & ~inner] = OUTLINE
    return image


def _link(image: RGB) -> str:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
