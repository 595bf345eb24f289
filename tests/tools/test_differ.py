"""The differ: parts are found again wherever they lie, good photos come in any order and size, and all of it learns."""

import pytest
import torch

from tools.anomaly.comparison import Differ

WIDTH = 16


@pytest.fixture
def differ():
    torch.manual_seed(0)
    return Differ(12, WIDTH, depth=2, heads=2).eval()


def tokens(differ, *sizes):
    """(1, h * w, WIDTH) of a photo of each size (h, w), each unlike the others."""
    return [differ.tokens(torch.randn(1, 12, *size)) for size in sizes]


def beside(differ, photo, size, good, sizes):
    """What is said of one photo beside good ones."""
    there = torch.cat([differ.places(*s) for s in sizes])
    return differ(photo[:, None], size, torch.cat(good, dim=1), there)


def test_the_order_of_the_good_photos_does_not_matter(differ):
    sizes = [(4, 4), (4, 6), (3, 4)]
    photo, *good = tokens(differ, (4, 5), *sizes)
    plain = beside(differ, photo, (4, 5), good, sizes)
    turned = beside(differ, photo, (4, 5), good[::-1], sizes[::-1])
    torch.testing.assert_close(plain.photos, turned.photos)
    torch.testing.assert_close(plain.places, turned.places)


def test_photos_of_different_sizes_are_compared_and_places_are_those_of_the_photo(differ):
    photo, wide, tall = tokens(differ, (4, 5), (2, 8), (8, 3))
    found = beside(differ, photo, (4, 5), [wide, tall], [(2, 8), (8, 3)])
    assert found.photos.shape == (1, 1, 2)
    assert found.places.shape == (1, 1, 2, 4, 5)
    other = beside(differ, photo, (4, 5), [wide], [(2, 8)])
    assert not torch.allclose(found.photos, other.photos)


def test_photos_of_a_product_are_judged_alike_one_by_one_and_together(differ):
    one, other, good = tokens(differ, (4, 4), (4, 4), (4, 4))
    alone = [beside(differ, photo, (4, 4), [good], [(4, 4)]).photos for photo in (one, other)]
    both = differ(torch.stack([one, other], dim=1), (4, 4), good, differ.places(4, 4))
    torch.testing.assert_close(both.photos, torch.cat(alone, dim=1))


def test_products_of_a_batch_do_not_see_the_good_photos_of_one_another(differ):
    one, other, good, strange = tokens(differ, *[(4, 4)] * 4)
    there = differ.places(4, 4)
    batch = differ(torch.cat([one, other])[:, None], (4, 4), torch.cat([good, strange]), there)
    torch.testing.assert_close(batch.photos[:1], beside(differ, one, (4, 4), [good], [(4, 4)]).photos)
    torch.testing.assert_close(batch.photos[1:], beside(differ, other, (4, 4), [strange], [(4, 4)]).photos)


def test_codes_of_places_depend_on_the_share_of_the_longer_side_alone(differ):
    small, large = differ.places(4, 4).view(4, 4, -1), differ.places(12, 12).view(12, 12, -1)
    # The middle of a place is that of the middle one of the three by three that it is divided into.
    torch.testing.assert_close(large[1::3, 1::3], small)
    wide = differ.places(2, 4).view(2, 4, -1)
    torch.testing.assert_close(wide, small[1:3])
    tall = differ.places(4, 2).view(4, 2, -1)
    torch.testing.assert_close(tall, small[:, 1:3])


def test_all_places_are_coded_apart(differ):
    codes = differ.places(6, 8)
    apart = torch.cdist(codes, codes) + 9 * torch.eye(len(codes))
    assert apart.min() > 0.01


def test_a_verdict_hears_of_every_place(differ):
    photo, good = tokens(differ, (4, 4), (4, 4))
    photo.detach_().requires_grad_()
    good = good.detach().requires_grad_()
    beside(differ, photo, (4, 4), [good], [(4, 4)]).photos.sum().backward()
    assert (photo.grad.abs().sum(dim=-1) > 0).all()
    assert (good.grad.abs().sum(dim=-1) > 0).all()


def test_all_parameters_learn(differ):
    photo, good = tokens(differ, (4, 4), (4, 4))
    found = beside(differ, photo, (4, 4), [good], [(4, 4)])
    (found.photos.square().sum() + found.places.square().sum()).backward()
    still = {n for n, p in differ.named_parameters() if p.grad is None or p.grad.abs().max() < 1e-6}
    # What is added to all keys alike changes no attention.
    assert {name for name in still if not name.endswith("key.bias")} == set()


def test_a_few_steps_teach_it_to_tell_a_photo_that_is_among_the_good_ones_from_one_that_is_not():
    torch.manual_seed(0)
    differ = Differ(12, WIDTH, depth=2, heads=2)
    optimiser = torch.optim.Adam(differ.parameters(), lr=3e-3)

    def loss(seed):
        torch.manual_seed(seed)
        good, stranger = torch.randn(8, 12, 3, 3), torch.randn(8, 12, 3, 3)
        photos = torch.stack([good, stranger], dim=1)
        shown = differ.tokens(photos.flatten(0, 1)).unflatten(0, (8, 2))
        said = differ(shown, (3, 3), shown[:, 0], differ.places(3, 3)).photos[..., 0]
        truth = torch.tensor([0.0, 1.0]).expand(8, 2)
        return torch.nn.functional.binary_cross_entropy_with_logits(said, truth)

    before = float(loss(10_000).detach())
    for step in range(150):
        optimiser.zero_grad()
        loss(step).backward()
        optimiser.step()
    assert float(loss(10_000).detach()) < 0.5 * before
