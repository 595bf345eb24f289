"""The tracer's lesson: what each head says is held against the truth, and training lowers what it gets wrong."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from nano.recipes.tracer import train as tracer
from nano.recipes.tracer.data import GOOD, GROUP, HALF, HIDDEN, LONE, PARTS, Groups, augmented, medley_group
from nano.recipes.training import TrainingRun
from tools.anomaly.comparison import Differences
from tools.anomaly.damage import STRIDE
from tools.models.tracer import Traced, Tracer, TracerConfig

SIDE = HALF // 4
"""Places along each side of what the differ looks at."""


@pytest.fixture(scope="module")
def groups():
    found = medley_group(10)
    return Groups(**{name: torch.from_numpy(values)[None] for name, values in vars(found).items()})


@pytest.fixture(scope="module")
def batch(groups):
    torch.manual_seed(0)
    return augmented(groups)


class Says(torch.nn.Module):
    """Logits that tell the truth, or with a sign of -1 its opposite."""

    def __init__(self, batch, sign=1):
        super().__init__()
        self.batch, self.sign = batch, sign
        self.differ = SaysDifferences(self)

    def logits(self, truth):
        return self.sign * 20 * (truth.float() - 0.5)

    def forward(self, pixels):
        b = self.batch
        struck = (b.defects > tracer.SURE) & (b.labels.flatten() == 1)[:, None, None]
        maps = (b.edges[:, 0], b.edges[:, 1], struck, b.items)
        told = b.kinds.flatten(0, 1).long().gather(1, b.owners.flatten(1)).view(-1, HALF, HALF)
        kinds = (
            torch.nn.functional.one_hot(told if self.sign > 0 else b.owners, LONE + GROUP).permute(0, 3, 1, 2).float()
        )
        return Traced(*map(self.logits, maps), kinds, self.votes(), torch.zeros(len(pixels), 2, SIDE, SIDE))

    def votes(self):
        """Of every place of an item to the middle of its part, or as far away from it."""
        b, votes = self.batch, torch.zeros(len(self.batch.items), 2, HALF, HALF)
        for photo, number in ((n, k) for n in range(len(votes)) for k in b.owners[n].unique().tolist() if k):
            here = (b.owners[photo] == number) & (b.items[photo] > 0.5) & b.inside[photo]
            rows, columns = torch.nonzero(here, as_tuple=True)
            away = torch.stack([columns.float().mean() - columns, rows.float().mean() - rows])
            votes[photo][:, here] = self.sign * away / STRIDE
        return votes


class SaysDifferences:
    def __init__(self, says):
        self.batch, self.logits = says.batch, says.logits

    def tokens(self, features):
        return features.flatten(2).transpose(1, 2)

    def places(self, height, width):
        return torch.zeros(height * width, 2)

    def __call__(self, photos, size, good, there):
        references = GROUP - photos.shape[1]
        assert size == (SIDE, SIDE)
        assert good.shape[1] == len(there) == references * SIDE * SIDE
        labels = self.batch.labels[:, references:]
        truth = torch.stack([labels == 2, labels == 1], dim=-1)
        shares = torch.nn.functional.adaptive_avg_pool2d(self.batch.defects, SIDE).view(-1, GROUP, SIDE, SIDE)
        places = (shares[:, references:, None] > tracer.SURE) & truth[..., None, None]
        return Differences(self.logits(truth), self.logits(places))


@pytest.mark.parametrize("references", [1, 4])
def test_the_truth_has_no_loss_and_its_opposite_has(batch, references):
    right = tracer.loss_of(Says(batch), batch, references)
    wrong = tracer.loss_of(Says(batch, -1), batch, references)
    assert set(right) == {"maps", "kinds", "votes", "photos", "places"}
    # Of several parts that are alike none is likelier than the others, which is what is left of the loss of kinds.
    assert all(right[name] < 0.05 for name in right if name != "kinds")
    assert all(wrong[name] > right[name] + 0.2 for name in right)


def test_a_logical_defect_is_no_damage_of_the_surface(batch):
    struck = replace(batch, labels=torch.where(batch.labels == 2, 1, batch.labels))
    said = Says(batch).forward(batch.pixels)
    assert tracer._maps(said, struck, struck.labels.flatten()) > tracer._maps(said, batch, batch.labels.flatten()) + 0.2


def test_a_defect_that_cannot_be_seen_is_neither_good_nor_bad(batch):
    hidden = replace(batch, labels=torch.where(batch.labels == 2, HIDDEN, batch.labels))
    for label in (0, 2):
        said = Says(replace(batch, labels=torch.where(batch.labels == 2, label, batch.labels)))
        assert tracer.loss_of(said, hidden, 4)["photos"] < 0.01


def replace(batch, **more):
    return type(batch)(**{**vars(batch), **more})


ALIKE = [0, 1, 1, 2]
"""The kinds of four quarters of a photo, the first of which is of no part."""


def kinds_loss(told, shades=(0, 0, 0, 0)):
    """Of a tracer that takes the quarters of two photos of a product for these kinds."""
    owners = torch.arange(4).repeat_interleave(4).view(1, 4, 4).expand(2, 4, 4)
    said = torch.nn.functional.one_hot(torch.tensor(told), 4).float()
    maps = torch.stack([s[o] for s, o in zip(said, owners, strict=True)]).permute(0, 3, 1, 2)
    kinds, tints = (torch.zeros(1, 2, PARTS + 1, dtype=torch.uint8) for _ in range(2))
    kinds[..., :4], tints[..., :4] = torch.tensor(ALIKE), torch.tensor(shades)
    return float(tracer._kinds(maps, SimpleNamespace(owners=owners, kinds=kinds, shades=tints)))


def test_parts_of_one_kind_are_to_look_alike_on_all_photos_of_a_product_and_others_are_not():
    best = kinds_loss([ALIKE, ALIKE])
    assert kinds_loss([[0, 1, 1, 1], [0, 1, 1, 1]]) > best + 0.5
    assert kinds_loss([[0, 1, 1, 2], [0, 2, 2, 1]]) > best + 0.5
    assert kinds_loss([[0, 1, 3, 2], [0, 1, 3, 2]]) > best + 0.5


def test_parts_of_one_kind_and_two_colours_may_look_alike_or_not():
    colours = (0, 5, 6, 7)
    alike, unlike = (kinds_loss([told, told], colours) for told in (ALIKE, [0, 1, 3, 2]))
    assert alike == pytest.approx(unlike, abs=1e-3)
    assert kinds_loss([[0, 1, 1, 1]] * 2, colours) > alike + 0.5


def test_parts_of_two_products_are_never_compared(batch):
    both = {name: torch.cat([values, values]) for name, values in vars(batch).items()}
    swapped = replace(batch, **both)
    said = Says(batch).forward(batch.pixels).kinds
    turned = torch.cat([said, said.roll(1, dims=1)])
    assert tracer._kinds(turned, swapped) == pytest.approx(float(tracer._kinds(said, batch)), abs=1e-5)


def test_where_no_kind_is_known_there_is_nothing_to_learn_of_kinds(batch):
    said = torch.randn(GROUP, 6, HALF, HALF, requires_grad=True)
    loss = tracer._kinds(said, replace(batch, kinds=torch.zeros_like(batch.kinds)))
    loss.backward()
    assert loss.item() == 0
    assert not said.grad.any()


def tiny():
    torch.manual_seed(0)
    config = TracerConfig(widths=(8, 8, 8, 8, 8), kinds=4, differ_width=8, differ_depth=1, differ_heads=1)
    return Tracer(config)


def test_training_lowers_the_loss_of_every_head_but_that_of_photos_which_takes_longer(batch):
    model = tiny()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    told = []
    for _ in range(6):
        parts = tracer.loss_of(model, batch, 1)
        optimiser.zero_grad()
        torch.stack(list(parts.values())).sum().backward()
        optimiser.step()
        told.append({name: float(value.detach()) for name, value in parts.items()})
    assert all(told[-1][name] < 0.95 * told[0][name] for name in ("maps", "kinds", "votes", "places"))
    assert sum(told[-1].values()) < 0.9 * sum(told[0].values())


def test_every_head_is_taught(batch):
    model = tiny()
    torch.stack(list(tracer.loss_of(model, batch, 1).values())).sum().backward()
    still = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    assert {name for name in still if not name.endswith("key.bias")} == set()


def test_some_of_the_good_photos_are_always_judged_beside_the_others():
    assert 0 < min(tracer.REFERENCES) <= max(tracer.REFERENCES) < GOOD


def test_a_tracer_is_fitted_to_groups_that_come_from_a_pool_which_is_closed_in_the_end(monkeypatch, tmp_path, groups):
    pools = []

    class Pool:
        seen = 1

        def __init__(self, device, seed, *, room, workers):
            self.asked, self.room, self.workers, self.closed = 0, room, workers, False
            pools.append(self)

        def sample(self, count, random):
            assert count == 1
            self.asked += 1
            return groups

        def close(self):
            self.closed = True

    monkeypatch.setattr(tracer, "GroupPool", Pool)
    monkeypatch.setattr(tracer, "Tracer", lambda config: tiny())
    monkeypatch.setattr(tracer, "REFERENCES", (1,))
    run = TrainingRun("tracer", 0.02, 1, "cpu", tmp_path, tmp_path / "out", False)
    model = tracer.fit(run, workers=3)
    (pool,) = pools
    assert pool.closed
    assert pool.workers == 3
    assert pool.asked > 0
    assert not model.training
    assert not torch.equal(model.read_out.weight, tiny().read_out.weight)
    assert (tmp_path / "last.pt").exists()
    assert np.isfinite(model.read_out.weight.detach().numpy()).all()
