"""Questions are asked in turn, answers are kept as they come, and graded as the benchmarks grade them."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from pretend import Respondent, picture, refuse, settings
from sklearn.metrics import precision_recall_fscore_support

from evals.datasets.base import read_photo
from evals.datasets.questions import BenchmarkQuestion, PhotoQuestions
from evals.qa.grading import Graders
from evals.qa.respondents import LONGEST, BareVLM, Conversation, WholeAgent, choice_text
from evals.qa.runner import answer_all
from evals.run.compare import compare
from evals.run.results import PREDICTIONS, read_lines, read_results
from tools.errors import InputError, ModelError
from tools.images import sample_from_array


def item(tmp_path, name, *questions, category="candle", templates=()):
    photo = picture(tmp_path / "photos" / f"{name}.png")
    return PhotoQuestions(name, category, category, read_photo(photo), tuple(questions), tuple(templates))


def detect(truth):
    return BenchmarkQuestion("detect", "Any defects?", "detection", truth)


def choice(truth, topic="Defect Analysis", options=None):
    return BenchmarkQuestion("choose", "Which?", topic, truth, options or {"A": "one", "B": "two"})


def tell(text, truth, topic="low_level"):
    return BenchmarkQuestion("tell", text, topic, truth)


def by_name(answers):
    return Respondent(lambda item, question: answers[item.id])


def detections(tmp_path):
    """Two classes, one of which is answered badly."""
    truths = {"c0": "no", "c1": "no", "c2": "yes", "c3": "yes", "p0": "no", "p1": "yes", "p2": "yes"}
    return [
        item(tmp_path, name, detect(truth), category={"c": "candle", "p": "pcb1"}[name[0]])
        for name, truth in truths.items()
    ]


SAID = {
    "c0": ("No", 0.1),
    "c1": ("Yes", 0.6),
    "c2": ("Yes, a dent", 0.9),
    "c3": ("No", 0.4),
    "p0": ("No", 0.2),
    "p1": ("Yes", 0.8),
    "p2": ("Hard to say", 0.5),
}


def run(respondent, items, out, **changes):
    return answer_all(respondent, items, settings(benchmark="visa-dr", by="vlm", **changes), out)


def test_detection_is_the_macro_mean_over_classes_and_what_cannot_be_read_is_wrong_and_shown(tmp_path):
    results = run(by_name(SAID), detections(tmp_path), tmp_path / "out")
    told = {"c0": 0, "c1": 1, "c2": 1, "c3": 0, "p0": 0, "p1": 1, "p2": 0}
    truth = {"c0": 0, "c1": 0, "c2": 1, "c3": 1, "p0": 0, "p1": 1, "p2": 1}
    parts = []
    for letter in "cp":
        names = [n for n in truth if n[0] == letter]
        parts.append(
            precision_recall_fscore_support([truth[n] for n in names], [told[n] for n in names], average="binary")
        )
    for name, column in (("precision", 0), ("recall", 1), ("f1", 2)):
        assert results.metrics[name] == pytest.approx(np.mean([part[column] for part in parts]))
    assert results.metrics["unparsable"] == pytest.approx(1 / 7)
    assert results.metrics["accuracy"] == pytest.approx((2 / 4 + 2 / 3) / 2)
    assert "'Hard to say'" in " ".join(results.notes)
    low, high = results.intervals["accuracy"]
    assert low <= results.metrics["accuracy"] <= high


def test_a_normal_photo_s_unreadable_answer_is_wrong_as_well(tmp_path):
    results = run(by_name({"c0": ("Hm", None)}), [item(tmp_path, "c0", detect("no"))], tmp_path / "out")
    assert results.metrics["accuracy"] == 0.0


def test_a_stopped_run_asks_only_what_is_missing_and_grades_the_same(tmp_path):
    items = detections(tmp_path)
    whole = run(by_name(SAID), items, tmp_path / "whole")
    run(by_name(SAID), items, tmp_path / "out")
    lines = (tmp_path / "out" / PREDICTIONS).read_text().splitlines(keepends=True)
    (tmp_path / "out" / PREDICTIONS).write_text("".join(lines[:3]) + lines[3][:20])
    again = by_name(SAID)
    resumed = run(again, items, tmp_path / "out")
    assert again.met == ["c3", "p0", "p1", "p2"]
    drop = "seconds_per_image"
    assert {k: v for k, v in resumed.metrics.items() if k != drop} == {
        k: v for k, v in whole.metrics.items() if k != drop
    }
    assert [line.id for line in read_lines(tmp_path / "out" / PREDICTIONS, Conversation)] == [i.id for i in items]


def test_another_benchmark_s_photos_or_respondent_are_refused(tmp_path):
    items = detections(tmp_path)
    run(by_name(SAID), items, tmp_path / "out")
    with pytest.raises(InputError, match="conversations about 1 photos that this benchmark does not have, such as c0"):
        run(by_name(SAID), items[1:], tmp_path / "out")
    with pytest.raises(InputError, match="by vlm there, agent here"):
        answer_all(by_name(SAID), items, settings(benchmark="visa-dr", by="agent"), tmp_path / "out")


def test_a_photo_that_cannot_be_read_is_counted_and_named(tmp_path):
    items = detections(tmp_path)
    (tmp_path / "photos" / "c1.png").write_bytes(b"no photo")
    results = run(by_name(SAID), items, tmp_path / "out")
    assert (results.images, [r.id for r in results.refused]) == (6, ["c1"])
    assert "1 photos could not be used" in " ".join(results.notes)


def test_mmad_takes_the_mean_of_both_classes_then_of_topics_then_of_data_sets(tmp_path):
    yes_no = {"A": "Yes", "B": "No"}
    rows = [("v0", "A", "A"), ("v1", "A", "B"), ("v2", "B", "B"), ("l0", "A", "A"), ("l1", "B", "A")]
    items, said = [], {}
    for name, truth, answer in rows:
        asked = [choice(truth, "Anomaly Detection", yes_no)] + ([choice("A")] if name in ("v0", "v1") else [])
        items.append(item(tmp_path, name, *asked, category={"v": "VisA", "l": "LOCO"}[name[0]]))
        said[name] = answer
    respondent = Respondent(lambda item, q: (said[item.id] if q.topic == "Anomaly Detection" else "B", None))
    results = answer_all(respondent, items, settings(benchmark="mmad"), tmp_path / "out")
    assert results.categories["VisA"]["accuracy_anomaly_detection"] == pytest.approx((1 / 2 + 1) / 2)
    assert results.categories["VisA"]["recall"] == 0.5
    assert results.categories["VisA"]["accuracy"] == pytest.approx((0.75 + 0.0) / 2)
    assert results.categories["LOCO"]["accuracy"] == pytest.approx(0.5)
    assert results.metrics["accuracy"] == pytest.approx((0.375 + 0.5) / 2)


class Grader:
    """A judge that grades by a table and counts how often it was asked."""

    about = "a table"

    def __init__(self, fails_after=99):
        self.asked, self.fails_after = 0, fails_after

    def grade(self, question, reference, answer):
        self.asked += 1
        if self.asked > self.fails_after:
            raise ModelError("the judge is gone")
        return {"A dent.": 9.0, "A fall.": 4.0}.get(answer)


def words(tmp_path):
    asked = (tell("What?", "A dent."), tell("Why?", "A fall.", "complex"))
    items = [item(tmp_path, name, *asked) for name in ("r0", "r1")]
    said = {("r0", "What?"): "A dent.", ("r0", "Why?"): "A fall.", ("r1", "What?"): "A crack", ("r1", "Why?"): "Luck"}
    return items, Respondent(lambda item, q: (said[item.id, q.text], None))


def test_words_are_graded_by_topic_and_the_judge_is_asked_once_for_each(tmp_path):
    items, respondent = words(tmp_path)
    first = Grader(fails_after=1)
    chosen = settings(benchmark="visa-dr")
    with pytest.raises(ModelError):
        answer_all(respondent, items, chosen, tmp_path / "out", graders=Graders(judge=first))
    second = Grader()
    results = answer_all(
        respondent, items, chosen, tmp_path / "out", graders=Graders(judge=second, skipped=("no sbert",))
    )
    assert (first.asked, second.asked) == (2, 3)
    assert results.metrics["judge_low_level"] == 9.0
    assert results.metrics["judge"] == 6.5
    assert results.metrics["rouge_l_low_level"] == pytest.approx((1 + 1 / 2) / 2)
    assert "sbert" not in results.metrics
    assert "no sbert" in results.notes
    assert "2 of its answers held no grade" in " ".join(results.notes)
    told = json.loads((tmp_path / "out" / "responses.json").read_text())
    assert told[0]["responses"] == ["A dent.", "A fall."]


def test_the_vlm_answers_with_its_own_replies_in_the_history_and_sees_no_large_photo(tmp_path):
    seen = []

    class VLM:
        def answer(self, images, turns, tokens):
            seen.append(([image.shape for image in images], [(t.role, t.text, t.images) for t in turns]))
            return f"reply {len(seen)}"

        def yes_no(self, images, turns):
            return 0.7

    photo = sample_from_array(np.zeros((600, 2048, 3), dtype=np.uint8))
    asked = (detect("yes"), tell("What?", None), tell("Why?", None))
    talk = BareVLM(VLM()).meet(PhotoQuestions("x", "candle", "candle", lambda: photo, asked))
    said = [talk.answer(question) for question in asked]
    assert (said[0].text, said[0].score) == ("reply 1", 0.7)
    assert seen[0][0] == [(300, LONGEST, 3)]
    assert seen[1][1] == [("user", "What?", 1)]
    assert seen[2][1] == [("user", "What?", 1), ("assistant", "reply 2", 0), ("user", "Why?", 0)]


def test_the_agent_reads_nothing_but_the_photo_and_the_product_s_noun_when_there_are_no_templates(tmp_path):
    from pretend import Inspector

    class Talking(Inspector):
        def chat(self, report, *, product=None):
            return SimpleNamespace(ask=lambda text: SimpleNamespace(text=f"measured: {text}"))

        @property
        def context(self):
            vlm = SimpleNamespace(choose=lambda images, turns, options: {"A": 0.2, "B": 0.8})
            return SimpleNamespace(toolbox=SimpleNamespace(vlm=vlm))

    inspector = Talking()
    bright = picture(tmp_path / "photos" / "b.png", spot=250)
    asked = (detect("yes"), tell("What?", None), choice("A", "Anomaly Detection", {"A": "No", "B": "Yes"}), choice("A"))
    talk = WholeAgent(inspector).meet(PhotoQuestions("x", "pcb1", "printed circuit board", read_photo(bright), asked))
    assert inspector.learned == [("pcb1", [], "", "printed circuit board")]
    assert [talk.answer(question).text for question in asked] == ["Yes", "measured: What?", "B", "B"]


def test_the_agent_s_gain_is_paired_over_the_same_photos(tmp_path):
    items = detections(tmp_path)
    run(by_name(SAID), items, tmp_path / "vlm")
    right = {
        i.id: ("Yes" if i.questions[0].truth == "yes" else "No", 0.9 if i.questions[0].truth == "yes" else 0.1)
        for i in items
    }
    answer_all(by_name(right), items, settings(benchmark="visa-dr", by="agent"), tmp_path / "agent")
    found = compare(tmp_path / "vlm", tmp_path / "agent")
    change = {d.metric: d for d in found.differences}["accuracy"]
    assert change.second == 1.0
    assert change.low <= change.change <= change.high
    assert "by: vlm and agent." in found.notes
    assert read_results(tmp_path / "agent").settings.by == "agent"


def test_a_choice_is_put_with_all_its_options_and_the_template_is_explained():
    text = choice_text(choice("A"), templates=1)
    assert "A: one\nB: two" in text
    assert text.startswith("The first image shows a normal sample")
    assert "normal sample" not in choice_text(choice("A"))


def test_a_template_is_not_read_by_a_zero_shot_benchmark(tmp_path):
    plain = item(tmp_path, "c0", detect("no"))
    with pytest.raises(InputError):
        BareVLM(None).meet(PhotoQuestions("y", "c", "c", plain.photo, plain.questions, (refuse,)))
    assert plain.templates == ()
