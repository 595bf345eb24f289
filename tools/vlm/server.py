"""A vision-language model on a server that speaks the OpenAI protocol."""

from __future__ import annotations

import base64
import io
import json
import logging
import math
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import Any, TypeVar, cast

import openai
from openai import DefaultHttpxClient, OpenAI

from tools.display_text import display_text
from tools.errors import InputError, ModelError
from tools.profiles.specification import ServedSpec
from tools.timing import model_call
from tools.types import RGB
from tools.vlm.answers import Turn, from_candidates, from_samples, normalised, tell_apart
from tools.vlm.local import NO, YES, LocalVLM
from tools.vlm.schema import Schema

TOP = 20
"""Candidates for the next token that are asked for; the protocol allows no more."""
SAMPLE_TOKENS = 12
"""A drawn answer is cut after so many tokens."""
DRAWING = {"generation_config": json.dumps({"do_sample": True, "top_k": 0, "max_new_tokens": SAMPLE_TOKENS})}
"""What `transformers serve` takes besides the protocol, to draw from all tokens."""
_ABOVE_ONE = 1e-3
"""A log-probability that rounding brings above 0 by so much is accepted."""
_T = TypeVar("_T")
_log = logging.getLogger("looktwice")


class _NotTakenError(ModelError):
    """The server refuses the request as it was put; it may take another."""


class ServerVLM(LocalVLM):
    """Answers and likelihoods from a server; each question is a request of its own, without a session.


    Likelihoods are read from the candidates for the answer's first token. A server that gives none is asked several
    times at temperature 1 instead, and the answers are counted; that is said once, since it is coarse and slow.
    """

    def __init__(self, spec: ServedSpec, *, image_size: int | None = None) -> None:
        """Prepares a client; the server is not asked yet.

        Args:
            spec: where it is and how it is asked.
            image_size: photos are scaled down until their longer side has so many pixels; None for no limit.

        Raises:
            ModelError: the client library is not installed.
        """
        self._spec = spec
        self._image_size = image_size
        self._url = os.environ.get("LOOKTWICE_SERVER_URL") or spec.url
        self._model = os.environ.get("LOOKTWICE_SERVER_MODEL") or spec.model
        self._client = _client(self._url, spec)
        self._gate = BoundedSemaphore(spec.at_once)
        self._gives_likelihoods = True
        self._takes_schemas = True
        self._how_to_draw: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """The model as the server names it.

        Raises:
            ModelError: the server cannot be asked, or has none or several models and the profile names none.
        """
        if self._model is None:
            there = [model.id for model in self._asked(lambda: self._client.models.list().data)]
            if len(there) != 1:
                found = ", ".join(there[:5]) or "none"
                raise ModelError(
                    f"{self._url}: serves {len(there)} models ({found}); name one as `model` in the profile, or in "
                    "LOOKTWICE_SERVER_MODEL."
                )
            self._model = there[0]
        return self._model

    def describe(self) -> dict[str, str]:
        """What a report states of it; what the server does not tell is "unknown"."""
        return {
            "name": self._model or "unknown",
            "class": type(self).__name__,
            "digest": "unknown",
            "device": self._url,
            "dtype": "unknown",
            "quantisation": "unknown",
        }

    def answer(
        self, images: Sequence[RGB], turns: Sequence[Turn], max_new_tokens: int = 64, *, schema: Schema | None = None
    ) -> str:
        """See `LocalVLM.answer`; as repeatable as the server is at temperature 0.

        A server that takes no schema is asked without one from then on, which is logged once.

        Raises:
            ModelError: the server cannot be reached, refuses, or answers something else.
        """
        messages = self._messages(images, turns)
        if schema is not None and self._takes_schemas:
            asked = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
            try:
                return self._said_to(messages, max_new_tokens, response_format=asked)
            except _NotTakenError:
                told = self._said_to(messages, max_new_tokens)
                self._takes_schemas = False
                _log.warning("%s takes no JSON Schema: answers are checked, and asked for again", self._url)
                return told
        return self._said_to(messages, max_new_tokens)

    def _said_to(self, messages: list[dict[str, Any]], max_new_tokens: int, **options: Any) -> str:
        told = self._completion(messages, max_tokens=max_new_tokens, temperature=0.0, **options)
        return str(told.message.content or "").strip()

    def choose(
        self, images: Sequence[RGB], turns: Sequence[Turn], options: Sequence[str], *, per_token: bool = False
    ) -> dict[str, float]:
        """See `LocalVLM.choose`; `per_token` makes no difference, since options are told apart by one token.

        Options that begin alike are put to the model as a lettered list, and it names a letter.
        """
        del per_token
        if not options or len(set(options)) < len(options) or not all(o.strip() for o in options):
            raise InputError(f"options {list(options)}: give at least one, each different and none empty.")
        if len(options) == 1:
            return {options[0]: 1.0}
        asked, heard = tell_apart(turns, options)
        return dict(zip(options, normalised(self._weighed(images, asked, heard)), strict=True))

    def yes_no(self, images: Sequence[RGB], turns: Sequence[Turn]) -> float:
        """See `LocalVLM.yes_no`."""
        probabilities = normalised(self._weighed(images, turns, (*YES, *NO)))
        return sum(probabilities[: len(YES)])

    def _weighed(self, images: Sequence[RGB], turns: Sequence[Turn], options: Sequence[str]) -> list[float]:
        """Log-likelihoods of options that differ in their first token."""
        messages = self._messages(images, turns)
        if self._gives_likelihoods:
            candidates = self._candidates(messages)
            if candidates is not None:
                return from_candidates(candidates, options)
            self._gives_likelihoods = False
            _log.warning(
                "%s gives no log-probabilities: %d answers are drawn for each question instead, which is slower and "
                "coarser",
                self._url,
                self._spec.samples,
            )
        return from_samples(self._samples(messages), options)

    def _candidates(self, messages: list[dict[str, Any]]) -> list[tuple[str, float]] | None:
        """Likeliest first tokens with their log-probabilities, or None where the server does not give them."""
        try:
            told = self._completion(messages, max_tokens=1, temperature=0.0, logprobs=True, top_logprobs=TOP)
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            if "logprob" not in str(error).lower():
                raise self._refusal(error) from error
            return None
        content = getattr(told.logprobs, "content", None)
        if not content:
            return None
        first = content[0]
        found = [(c.token, c.logprob) for c in first.top_logprobs or [first]]
        for token, value in found:
            if not isinstance(value, int | float) or not math.isfinite(value) or value > _ABOVE_ONE:
                raise ModelError(
                    f"{self._url}: gave the log-probability {value} for {display_text(repr(token), 40)}; accepted are "
                    "finite numbers up to 0; check the server, or use another model."
                )
        return found

    def _samples(self, messages: list[dict[str, Any]]) -> list[str]:
        """Answers drawn at temperature 1, each with a seed of its own.

        Where the first ones are all the same, the server may decode greedily whatever the temperature, as
        `transformers serve` does with a model that does so by default; then it is told to draw in its own way too.
        """
        drawn = self._drawn(messages, self._how_to_draw or {})
        if self._how_to_draw is None:
            self._how_to_draw = {}
            if len(set(drawn)) == 1:
                drawn = self._drawn_otherwise(messages) or drawn
        return drawn

    def _drawn_otherwise(self, messages: list[dict[str, Any]]) -> list[str]:
        """Answers drawn after the server was told in its own way; none where it does not know that."""
        try:
            drawn = self._drawn(messages, DRAWING)
        except ModelError:
            return []
        if len(set(drawn)) > 1:
            self._how_to_draw = DRAWING
        else:
            _log.warning(
                "%s gave one answer %d times; where it cannot draw, its certainty means little", self._url, len(drawn)
            )
        return drawn

    def _drawn(self, messages: list[dict[str, Any]], how: dict[str, Any]) -> list[str]:
        def draw(seed: int) -> str:
            told = self._completion(messages, max_tokens=SAMPLE_TOKENS, temperature=1.0, seed=seed, extra_body=how)
            return str(told.message.content or "")

        def drawn() -> list[str]:
            with ThreadPoolExecutor(self._spec.at_once) as pool:
                return list(pool.map(draw, range(self._spec.samples)))

        return drawn()

    def _completion(self, messages: list[dict[str, Any]], **options: Any) -> Any:
        """The first choice of one chat completion."""
        model, create = self.name, cast("Callable[..., Any]", self._client.chat.completions.create)
        reply = self._asked(lambda: create(model=model, messages=messages, **options))
        choices = getattr(reply, "choices", None)
        if not choices or getattr(choices[0], "message", None) is None:
            raise ModelError(f"{self._url}: answered something that is no chat completion; check the address (…/v1).")
        return choices[0]

    @model_call
    def _asked(self, ask: Callable[[], _T]) -> _T:
        """What a request gives; at most `at_once` of them are under way.

        Raises:
            ModelError: the server cannot be reached or refuses.
            openai.BadRequestError: it does not take the request, where log-probabilities were asked for.
        """

        def gated() -> _T:
            with self._gate:
                return ask()

        try:
            return gated()
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            if "logprob" in str(error).lower():
                raise
            raise self._refusal(error) from error
        except (openai.OpenAIError, ValueError) as error:
            if 300 <= getattr(error, "status_code", 0) < 400:
                raise ModelError(
                    f"{self._url}: redirects to another address, and photos are sent to no other; put the final "
                    "address into `url` of the profile or into LOOKTWICE_SERVER_URL."
                ) from error
            raise self._refusal(error) from error

    def _refusal(self, error: Exception) -> ModelError:
        """One sentence about a request that failed; it never holds the key."""
        told, tries = self._said(error), self._spec.retries + 1
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            return ModelError(f"{self._url}: refuses the key; put a valid one into {self._spec.key_from}.")
        if isinstance(error, openai.APITimeoutError):
            return ModelError(
                f"{self._url}: has not answered within {self._spec.timeout:g} s, {tries} times; give "
                "`timeout` more seconds in the profile, or the server less to do."
            )
        if isinstance(error, openai.APIConnectionError):
            return ModelError(
                f"{self._url}: cannot be reached; start the server, or put its address into `url` of the profile or "
                "into LOOKTWICE_SERVER_URL."
            )
        if isinstance(error, openai.NotFoundError):
            return ModelError(
                f"{self._url}: knows no such model or address ({told}); correct `model` and `url` (it ends in /v1)."
            )
        if isinstance(error, openai.RateLimitError | openai.InternalServerError):
            return ModelError(
                f"{self._url}: is busy or broken after {tries} tries ({told}); try later, or lower "
                "`at_once` in the profile."
            )
        return _NotTakenError(f"{self._url}: does not take the request ({told}); check that its model sees images.")

    def _said(self, error: Exception) -> str:
        """The first line of an error, without the key, wherever the server may have repeated it."""
        text = str(error).strip() or type(error).__name__
        key = os.environ.get(self._spec.key_from)
        # A key that is cut in two would no longer be found.
        shown = text.replace(key, "***") if key else text
        return display_text(shown.splitlines()[0], 200)

    def _messages(self, images: Sequence[RGB], turns: Sequence[Turn]) -> list[dict[str, Any]]:
        """The conversation as the protocol has it, photos as PNG inside."""
        _check(images, turns)
        left = iter(images)
        return [_message(turn, [next(left) for _ in range(turn.images)], self._fitted) for turn in turns]


def _client(url: str, spec: ServedSpec) -> OpenAI:
    """A client that tries again with growing, jittered pauses, and as Retry-After says; it follows no redirect."""
    # Servers without keys want some word all the same.
    key = os.environ.get(spec.key_from) or "none"
    direct = DefaultHttpxClient(timeout=spec.timeout, follow_redirects=False)
    return OpenAI(base_url=url, api_key=key, timeout=spec.timeout, max_retries=spec.retries, http_client=direct)


def _check(images: Sequence[RGB], turns: Sequence[Turn]) -> None:
    if not turns or turns[-1].role != "user":
        raise InputError("a conversation must end with a turn of the user; add the question as the last turn.")
    told = sum(turn.images for turn in turns)
    if told != len(images):
        raise InputError(f"the turns show {told} photos, but {len(images)} were given; make both agree.")


def _message(turn: Turn, images: Iterable[RGB], fitted: Callable[[RGB], Any]) -> dict[str, Any]:
    """One turn, photos before text; a plain string where it shows none, since some servers take no list there."""
    pictures = [{"type": "image_url", "image_url": {"url": _data_url(fitted(image))}} for image in images]
    content = [*pictures, {"type": "text", "text": turn.text}] if pictures else turn.text
    return {"role": turn.role, "content": content}


def _data_url(picture: Any) -> str:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
