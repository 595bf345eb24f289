"""Several photos at a time: lanes take turns, and what they ask of one network at the same moment runs as one forward.

A lane is a thread that inspects one photo. Only one lane runs at any moment, the lowest that can; one that asks a
network for a forward waits. When all wait, the largest group of forwards that are alike (of two, the one with the
lowest lane) is run as one, its inputs joined along their first dimension in the order of lanes. What is joined thus
follows from the photos and their number alone, never from timing, and what lanes share needs no locks. What is no joint
forward (a local narrator, which keeps the beginnings of its prompts photo by photo) runs in its lane's turn.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar

from tools.memory import free, is_out_of_memory

if TYPE_CHECKING:
    from torch import Tensor

_T = TypeVar("_T")
_Run = Callable[..., "Sequence[Tensor]"]
_log = logging.getLogger("looktwice")


@dataclass
class Joined:
    """How the forwards of one kind were joined."""

    asked: int = 0
    """Forwards that lanes asked for."""
    run: int = 0
    """Forwards that were run for them."""

    @property
    def mean(self) -> float:
        """Of how many lanes a forward was, on average."""
        return self.asked / self.run if self.run else 0.0


@dataclass(eq=False)
class _Request:
    """A forward that a lane waits for."""

    name: str
    alike: Hashable
    """Requests in which this agrees may be joined."""
    run: _Run
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...] = ()
    error: BaseException | None = None
    seconds: float = 0.0
    """Its share of the time that the forward took."""


@dataclass(eq=False)
class _Lane:
    """One photo's thread, and what it waits for."""

    together: Together
    state: Literal["ready", "asking", "leaving", "away", "ended"] = "ready"
    """Ready: may run, or runs; asking: for a forward; leaving and away: see `aside`."""
    request: _Request | None = None
    turn: threading.Event = field(default_factory=threading.Event)
    waited: float = 0.0
    """Seconds that it spent waiting for others."""


_here: ContextVar[_Lane | None] = ContextVar("looktwice_lane", default=None)


def forward(name: str, run: _Run, *inputs: Tensor, alike: Hashable = ()) -> tuple[Tensor, ...]:
    """Runs a network; in a lane, joined with the same of other lanes.

    Args:
        name: of the network, for counts.
        run: gives tensors for tensors, the first dimension of all being that of a batch; must not look across it.
        inputs: of this lane; shapes and dtypes but for the first dimension have to agree to be joined.
        alike: all else that `run` depends on, such as the network's `id`.

    Returns:
        The outputs' rows that belong to the inputs, as many as the first input has.
    """
    lane = _here.get()
    if lane is None:
        return tuple(run(*inputs))
    shapes = tuple((tuple(x.shape[1:]), x.dtype, x.device) for x in inputs)
    return lane.together.ask(lane, _Request(name, (name, alike, shapes), run, inputs))


def aside(ask: Callable[[], _T]) -> _T:
    """Asks another machine, which may take the questions of several lanes at once; the others wait until it answers."""
    lane = _here.get()
    return ask() if lane is None else lane.together.leave(lane, ask)


def own_seconds() -> float:
    """A clock that stands still while a lane waits for others, and shows its share of a joint forward's time."""
    lane = _here.get()
    return time.perf_counter() - (0.0 if lane is None else lane.waited)


def lanes() -> int:
    """How many photos are inspected at a time; what is kept of a photo for its next step has to hold so many."""
    lane = _here.get()
    return 1 if lane is None else lane.together.lanes


class Together:
    """Runs as many tasks at a time as it has lanes."""

    def __init__(self, lanes: int) -> None:
        """Starts nothing yet.

        Args:
            lanes: tasks that `start` takes at most.
        """
        self.lanes = lanes
        """Tasks at a time, at most."""
        self.joined: dict[str, Joined] = {}
        """By name of the network, in the order in which they were first run."""
        self._threads = ThreadPoolExecutor(lanes, thread_name_prefix="lane")
        self._lanes: list[_Lane] = []
        self._most: dict[str, int] = {}
        """By name, so many forwards may be joined, where more have run out of memory."""
        self._away = 0
        self._counting = threading.Lock()

    def start(self, tasks: Sequence[Callable[[], _T]]) -> list[Future[_T]]:
        """Runs tasks, one a lane in their order; those that were started before have ended."""
        self._lanes = [_Lane(self) for _ in tasks]
        found: list[Future[_T]] = [Future() for _ in tasks]
        for lane, task, future in zip(self._lanes, tasks, found, strict=True):
            self._threads.submit(self._through, lane, task, future)
        self._pass_on()
        return found

    def close(self) -> None:
        """Waits for the tasks, and ends the threads."""
        self._threads.shutdown()

    def ask(self, lane: _Lane, request: _Request) -> tuple[Tensor, ...]:
        """See `forward`."""
        began = time.perf_counter()
        lane.request, lane.state = request, "asking"
        self._pass_on()
        self._await_turn(lane)
        lane.waited += time.perf_counter() - began - request.seconds
        lane.request = None
        if request.error is not None:
            raise request.error
        return request.outputs

    def leave(self, lane: _Lane, ask: Callable[[], _T]) -> _T:
        """See the function `aside`; lanes that leave do so at the same moment, so that turns never hang on timing."""
        began = time.perf_counter()
        lane.state = "leaving"
        self._pass_on()
        self._await_turn(lane)
        lane.waited += time.perf_counter() - began
        try:
            return ask()
        finally:
            began = time.perf_counter()
            with self._counting:
                self._away -= 1
                last = self._away == 0
                lane.state = "ready"
            if last:
                self._pass_on()
            self._await_turn(lane)
            lane.waited += time.perf_counter() - began

    def _through(self, lane: _Lane, task: Callable[[], _T], future: Future[_T]) -> None:
        """The whole of a lane."""
        self._await_turn(lane)
        _here.set(lane)
        try:
            result = task()
        except BaseException as error:
            self._end(lane)
            future.set_exception(error)
        else:
            self._end(lane)
            future.set_result(result)

    def _end(self, lane: _Lane) -> None:
        """Takes a lane out, before its future says so: by then no thread may still be passing turns on."""
        _here.set(None)
        lane.state = "ended"
        self._pass_on()

    def _await_turn(self, lane: _Lane) -> None:
        lane.turn.wait()
        lane.turn.clear()

    def _pass_on(self) -> None:
        """Gives the turn to the next lane; where none can run, runs what most of them ask for."""
        while True:
            for lane in self._lanes:
                if lane.state == "ready":
                    lane.turn.set()
                    return
            group = self._largest()
            if not group:
                return
            if group[0].state == "leaving":
                self._away = len(group)
                for lane in group:
                    lane.state = "away"
                for lane in group:
                    lane.turn.set()
                return
            self._run([lane.request for lane in group if lane.request is not None])
            for lane in group:
                lane.state = "ready"

    def _largest(self) -> list[_Lane]:
        """Lanes that ask for the same, in their order: most of them, or those of the lowest lane."""
        groups: dict[Hashable, list[_Lane]] = {}
        for lane in self._lanes:
            if lane.state == "leaving":
                groups.setdefault(None, []).append(lane)
            elif lane.state == "asking" and lane.request is not None:
                groups.setdefault(lane.request.alike, []).append(lane)
        group = max(groups.values(), key=len, default=[])
        first = group[0].request if group else None
        return group if first is None else group[: self._most.get(first.name)]

    def _run(self, group: Sequence[_Request]) -> None:
        """Runs forwards as one; where that fails, each alone, so that a fault stays with the photo that it is of."""
        began = time.perf_counter()
        try:
            outputs = _joint(group)
        except BaseException as error:
            if len(group) == 1:
                group[0].error = error
                return
            outputs, no_memory = None, is_out_of_memory(error)
        if outputs is None:
            if no_memory:
                self._join_fewer(group[0].name, len(group) // 2)
            for request in group:
                self._run([request])
            return
        counted = self.joined.setdefault(group[0].name, Joined())
        counted.asked += len(group)
        counted.run += 1
        for request, found in zip(group, outputs, strict=True):
            request.outputs = found
            request.seconds = (time.perf_counter() - began) / len(group)

    def _join_fewer(self, name: str, most: int) -> None:
        self._most[name] = most
        free()
        _log.warning("memory ran out: %d photos at once in the %s from here on", most, name)


def _joint(group: Sequence[_Request]) -> list[tuple[Tensor, ...]]:
    """The outputs of each request, from one forward of all."""
    import torch

    first = group[0]
    with torch.inference_mode():
        if len(group) == 1:
            return [tuple(first.run(*first.inputs))]
        found = first.run(*(torch.cat(same) for same in zip(*(r.inputs for r in group), strict=True)))
        rows = [len(request.inputs[0]) for request in group]
        # Copies, so that what one photo keeps does not hold the outputs of all.
        split = [[part.clone() for part in torch.split(output, rows)] for output in found]
        return list(zip(*split, strict=True))
