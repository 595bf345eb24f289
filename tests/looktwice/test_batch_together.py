"""Several photos at a time answer as one at a time does, joined where they can be, and keep faults with their photo."""

import json
import sys
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
import batch_driver
from batch_driver import answers, batch, files, lines, manifest, photo

from agent import Inspector
from agent.calibrate import Calibration
from agent.product import Product
from agent.spec import ProductSpec
from agent.steps.look_again import ACTIONS
from evals.datasets.world import open_world
from looktwice.batch.command import inspect_many
from looktwice.batch.observe import EventLog
from looktwice.batch.options import BatchOptions
from looktwice.batch.run import Batch, run_batch
from looktwice.batch.speed_together import bench_together
from looktwice.batch.stop import Stop
from looktwice.batch.together import TogetherRunner
from looktwice.batch.work import Work
from looktwice.cli import main
from looktwice.cli.say import Speaker
from tools import together
from tools.errors import InputError
from tools.together import Together, forward

FAMILY, PHOTOS, SEED = "connector", 6, 12
TOOLS = ("scorer", "tracer", "differ", "memory", "grounder", "segmenter", "segmenter's masks")


def looking_more():
    """nano's maps, but that recounts and outlines are worth a look as well."""
    maps = Calibration.of_profile("nano")
    worth = {name: getattr(maps.looks, name).model_copy(update={"sure": 0.9}) for name in ("recount", "segment")}
    return maps.model_copy(update={"looks": maps.looks.model_copy(update=worth)})


opened = partial(Inspector, "nano", device="cpu", looks=3, calibration=looking_more())


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder of photos, a product learned from others, and what one photo at a time says of them."""
    torch.set_num_threads(1)
    (category,) = open_world(split="all", seed=SEED, per_category=PHOTOS, categories=[FAMILY])
    folder = tmp_path_factory.mktemp("world")
    (folder / "in").mkdir()
    for case in category.cases:
        Image.fromarray(case.photo().image).save(folder / "in" / f"{case.id}.png")
    inspector = opened()
    product = inspector.learn(FAMILY, category.references(4, SEED), describe=category.normal)
    one, _ = inspected(folder / "in", folder / "one", product, 1, inspector)
    return folder / "in", product, one


def inspected(folder, out, product, photos, inspector=None):
    """Lines by file, so many photos at a time; how forwards were joined."""
    out.mkdir()
    work = Work(opened, product, "", "", out, "none")
    runner = TogetherRunner(inspector or opened(), work, photos=photos)
    made = Batch((folder,), out, manifest())
    with Stop() as stop:
        run_batch(made, lambda _: runner, stop=stop, observer=EventLog(out), on_outcome=lambda _: None)
    return {line["file"]: line for line in lines(out)}, runner.joined


@pytest.fixture(scope="module")
def three(world, tmp_path_factory):
    """The same, three at a time, and by network of how many photos the forwards were that second looks asked for."""
    folder, product, _ = world
    with pytest.MonkeyPatch.context() as monkeypatch:
        sizes = counted_in_looks(monkeypatch)
        out = tmp_path_factory.mktemp("three") / "out"
        found, joined = inspected(folder, out, product, 3)
    return found, joined, sizes, out


def counted_in_looks(monkeypatch):
    here, sizes, theirs = threading.local(), {}, []
    ask, joint = Together.ask, together._joint

    def asking(self, lane, request):
        if getattr(here, "looking", False):
            theirs.append(request)
        return ask(self, lane, request)

    def joining(group):
        if all(request in theirs for request in group):
            sizes.setdefault(group[0].name, []).append(len(group))
        return joint(group)

    def looking(action, again):
        here.looking = True
        try:
            return action(again)
        finally:
            here.looking = False

    monkeypatch.setattr(Together, "ask", asking)
    monkeypatch.setattr(together, "_joint", joining)
    for name, action in list(ACTIONS.items()):
        monkeypatch.setitem(ACTIONS, name, partial(looking, action))
    return sizes


def test_three_at_a_time_answer_as_one_with_forwards_joined_in_second_looks_too(world, three):
    (_, _, one), (found, joined, in_looks, _) = world, three
    assert list(found) == list(one)
    for name, line in found.items():
        verdict, before = line["report"]["verdict"], one[name]["report"]["verdict"]
        assert verdict["word"] == before["word"]
        assert verdict["score"] == pytest.approx(before["score"], abs=1e-4)
        looks, looks_before = line["report"]["looks"], one[name]["report"]["looks"]
        assert [look["action"] for look in looks] == [look["action"] for look in looks_before]
    assert sum(len(line["report"]["looks"]) for line in found.values()) >= 3
    assert {name: joined[name].mean > 1 for name in TOOLS} == dict.fromkeys(TOOLS, True)
    assert max(in_looks["tracer"]) > 1
    assert max(in_looks["grounder"]) > 1
    assert max(in_looks["segmenter"]) > 1


def test_two_runs_of_three_at_a_time_are_the_same_bytes_but_for_times(world, three, tmp_path):
    folder, product, _ = world
    inspected(folder, tmp_path / "out", product, 3)
    assert list(answers(tmp_path / "out").items()) == list(answers(three[-1]).items())


def test_a_photo_that_breaks_a_joint_forward_fails_alone(world, tmp_path):
    folder, product, one = world
    for path in sorted(folder.iterdir())[:3]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    photo(tmp_path / f"{sorted(one)[0][:-4]}-plain.png")
    inspector = opened()

    def refuse(_, inputs):
        if (inputs[0].flatten(2).std(dim=2) < 1e-3).all(dim=1).any():
            raise ValueError("a photo without anything on it")

    inspector.context.toolbox.tracer._loaded.model.register_forward_pre_hook(refuse)
    found, joined = inspected(tmp_path, tmp_path / "out", product, 3, inspector)
    (failed,) = lines(tmp_path / "out", "failures.jsonl")
    assert failed["file"].endswith("-plain.png")
    assert "a photo without anything on it" in failed["error"]
    assert len(found) == 3
    for name, line in found.items():
        before = one[name]["report"]["verdict"]["score"]
        assert line["report"]["verdict"]["score"] == pytest.approx(before, abs=1e-4)
    assert joined["scorer"].mean > 1


def test_faults_refusals_and_stops_cost_no_other_photo(tmp_path):
    for n in range(8):
        photo(tmp_path / "in" / f"{n}.png", 200 + n)
    photo(tmp_path / "in" / "3-raise.png")
    photo(tmp_path / "in" / "4-memory.png")
    (tmp_path / "in" / "5-text.png").write_text("hello")
    out, stop = tmp_path / "out", Stop()
    batch_driver.run(batch(tmp_path / "in", out), together=3, stop=stop, on_outcome=lambda _: stop.ask())
    assert len(files(out)) == 3
    tally = batch_driver.run(batch(tmp_path / "in", out), together=3)
    assert tally.kinds == {"good": 5, "refused": 1, "failed": 2}
    assert files(out, "failures.jsonl") == ["3-raise.png", "4-memory.png"]
    batch_driver.run(batch(tmp_path / "in", tmp_path / "alone"))
    assert sorted(map(str, answers_of(out))) == sorted(map(str, answers_of(tmp_path / "alone")))


def answers_of(out):
    return [{**line, "seconds": None} for line in lines(out)]


def test_a_run_goes_on_with_another_number_of_photos_at_a_time(world, tmp_path):
    folder, product, _ = world
    saved = product.spec.save(tmp_path / "product.yaml")
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()

    def call(number):
        inspect_many(
            [tmp_path / "in"], tmp_path / "out", partial(Inspector, "nano", device="cpu"), lambda _: product,
            BatchOptions(together=number, reports="none"), Speaker(json=False),
            product=saved, normal="", question="",
        )  # fmt: skip

    for number, paths in ((2, sorted(folder.iterdir())[:2]), (1, sorted(folder.iterdir())[2:3])):
        for path in paths:
            (tmp_path / "in" / path.name).write_bytes(path.read_bytes())
        call(number)
    assert len(files(tmp_path / "out")) == 3
    assert "together" not in json.loads((tmp_path / "out" / "manifest.json").read_text())["options"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--together", "0"], "--together is 0; give 1 or more photos at a time"),
        (["--together", "2", "--workers", "2"], "--together inspects in one process"),
        (["--together", "2", "--ray", "local"], "--together inspects in one process"),
    ],
)
def test_a_number_that_cannot_be_is_refused_in_a_sentence(tmp_path, monkeypatch, capsys, options, said):
    photo(tmp_path / "in" / "a.png")
    call = ["looktwice", "inspect", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--profile", "nano"]
    monkeypatch.setattr(sys, "argv", [*call, *options])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out" / "manifest.json").exists()


class Joining(batch_driver.QuickInspector):
    """Asks one network twice."""

    def learn(self, name, references, **_):
        return Product(ProductSpec(name=name, product=name), references=tuple(references))

    def inspect(self, sample, **more):
        for _ in range(2):
            forward("net", lambda values: [values], torch.ones(1, 1))
        return super().inspect(replace(sample, path=sample.path or Path("good.png")), **more)


def test_the_bench_says_of_how_many_photos_forwards_are():
    found = bench_together(partial(Joining, slow=0.02), images=10, together=3)
    assert 0.5 < found.ratio < 2
    (network,) = found.networks
    assert (network.name, network.asked, network.run, network.photos) == ("net", 2.0, 0.8, 2.5)
    assert found.differs == 0
    with pytest.raises(InputError, match="8 or more"):
        bench_together(Joining, images=7, together=4)
    with pytest.raises(InputError, match="give 1 or more"):
        bench_together(Joining, images=7, together=0)
