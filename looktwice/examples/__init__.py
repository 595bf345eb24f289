"""The shipped examples: photos of the nano world, with references to compare with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml
from PIL import Image

from nano.world import render

HERE = Path(__file__).parent
SEED = 77
"""Not a seed that the nano models were trained or measured on."""
REFERENCES = 4


@dataclass(frozen=True)
class Example:
    """One product with photos of good ones and photos to inspect."""

    name: str
    product: str
    normal: str

    @property
    def references(self) -> tuple[Path, ...]:
        """Photos of good ones."""
        return tuple(sorted((HERE / self.name / "good").glob("*.png")))

    @property
    def photos(self) -> tuple[Path, ...]:
        """Photos to inspect; the file name tells what was rendered, which the inspector never reads."""
        return tuple(sorted((HERE / self.name).glob("*.png")))


def examples() -> tuple[Example, ...]:
    """All shipped examples, as listed in examples.yaml.

    Raises:
        FileNotFoundError: the package was built without its examples.
    """
    listed = yaml.safe_load((HERE / "examples.yaml").read_text(encoding="utf-8"))
    return tuple(Example(item["name"], item["product"], item["normal"]) for item in listed)


def render_examples() -> None:
    """Renders the photos of every listed example with the nano world."""
    for item in yaml.safe_load((HERE / "examples.yaml").read_text(encoding="utf-8")):
        folder = HERE / item["name"]
        (folder / "good").mkdir(parents=True, exist_ok=True)
        for n in range(REFERENCES):
            Image.fromarray(render(item["name"], seed=SEED, index=n).image).save(folder / "good" / f"{n:03d}.png")
        for photo in item["photos"]:
            scene = render(item["name"], seed=SEED, index=photo["index"], defect=photo.get("defect"))
            name = photo.get("defect", "good").replace(" ", "-")
            Image.fromarray(scene.image).save(folder / f"{name}.png")


__all__ = ["Example", "examples"]
