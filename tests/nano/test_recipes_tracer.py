"""The tracer's lesson: the truth of every map, what holds and what is held, and a loss that training lowers."""

import base64

import numpy as np
import torch

from nano.recipes import tracer
from nano.recipes.cache import SIZE, CachedScene, Thing
from tools.patches.tracer import Traced, Tracer, TracerConfig
from tools.types import Box


def thing(name, box, kind="part"):
    x0, y0, x1, y1 = box
    bits = base64.b64encode(np.packbits(np.ones((y1 - y0, x1 - x0), np.uint8)).tobytes()).decode("ascii")
    return Thing(name, name, Box(*box), kind, bits)


TRAY, NUT, SCRATCH = thing("tray", (20, 20, 220, 220)), thing("nut", (60, 60, 100, 100)), (120, 120, 170, 124)


def scene(kind="structural"):
    image = np.full((SIZE, SIZE, 3), 60, np.uint8)
    image[20:220, 20:220] = 130
    image[60:100, 60:100] = 220
    image[120:124, 120:170] = 0
    return CachedScene(image, "tray", "tray", 0, (TRAY, NUT), (thing("scratch", SCRATCH, kind),), ())


def test_a_part_on_which_a_smaller_one_lies_is_not_an_item():
    assert [part.name for part in tracer.leaves((TRAY, NUT))] == ["nut"]
    assert [part.name for part in tracer.leaves((NUT,))] == ["nut"]


def test_the_maps_of_a_batch_tell_the_truth():
    batch = tracer.Data([scene()], 1, "cpu").batch(0)
    parts, edges = batch.edges[:, 0], batch.edges[:, 1]
    side = tracer.SIDE // 2
    assert batch.pixels.shape == (tracer.BATCH, 3, tracer.SIDE, tracer.SIDE)
    assert parts.shape == edges.shape == batch.flaws.shape == batch.items.shape == (tracer.BATCH, side, side)
    assert (batch.items <= parts).all()
    assert 0 < batch.items.mean() < parts.mean() < 1
    assert 0 < batch.flaws.mean() < 0.05


def test_a_logical_defect_is_no_damage():
    assert tracer.Data([scene("logical")], 1, "cpu").batch(0).flaws.max() == 0


def test_the_step_alone_decides_a_batch():
    data = tracer.Data([scene()], 1, "cpu")
    assert torch.equal(data.batch(3).pixels, data.batch(3).pixels)
    assert not torch.equal(data.batch(3).pixels, data.batch(4).pixels)


class Says(torch.nn.Module):
    """Logits that tell the truth, or its opposite."""

    def __init__(self, batch, sign):
        super().__init__()
        self.batch, self.sign = batch, sign

    def forward(self, pixels):
        b = self.batch
        maps = (b.edges[:, 0], b.edges[:, 1], (b.flaws > 0.25).float(), b.items)
        return Traced(*(self.sign * 20 * (m - 0.5) for m in maps))


def test_the_truth_has_no_loss():
    batch = tracer.Data([scene()], 1, "cpu").batch(0)
    assert tracer.loss_of(Says(batch, 1), batch) < 0.02
    assert tracer.loss_of(Says(batch, -1), batch) > 10


def test_training_lowers_the_loss():
    torch.manual_seed(0)
    model = Tracer(TracerConfig(widths=(8, 8, 8, 8, 8)))
    batch = tracer.Data([scene()], 1, "cpu").batch(0)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(20):
        loss = tracer.loss_of(model, batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]
