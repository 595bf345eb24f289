"""Holds a local model's answers to a JSON Schema, token by token (xgrammar: Dong et al., 2024).

Nothing here knows what is asked for; what an answer says is checked by whoever asked.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import xgrammar

if TYPE_CHECKING:
    from tools.models.loading import Loaded

Schema = Mapping[str, Any]
"""A JSON Schema as plain data."""
PROBE = '[{"label": "red bolt", "low": 2}]'
"""What a tokenizer must give back as it was, for its tokens to be read as pieces of text."""
BLANK = 0x20
"""Bytes below a space are control characters, which JSON text on one line does not have."""
_log = logging.getLogger("looktwice")


class Grammars:
    """Grammars over one model's tokens, made when first asked for."""

    def __init__(self, loaded: Loaded) -> None:
        """Takes the language model's model; nothing is compiled yet."""
        self._loaded = loaded
        self._compiler: xgrammar.GrammarCompiler | None = None
        self._able = True

    def holding(self, schema: Schema) -> list[Any]:
        """Logits processors for one answer, which allow no token that leads away from the schema.

        The answer is on one line, its keys in the schema's order; a space may come first, as many models are used to.

        Args:
            schema: what the answer must be.

        Returns:
            One processor, to be used once; none where the tokens cannot be read as text, which is logged once.
        """
        if self._compiler is None and self._able:
            self._compiler = self._made()
        if self._compiler is None:
            return []
        json_only = xgrammar.Grammar.from_json_schema(json.dumps(schema), any_whitespace=False)
        spaced = xgrammar.Grammar.concat(xgrammar.Grammar.from_regex(" ?"), json_only)
        return [xgrammar.contrib.hf.LogitsProcessor(self._compiler.compile_grammar(spaced))]

    def _made(self) -> xgrammar.GrammarCompiler | None:
        try:
            return xgrammar.GrammarCompiler(self._tokens())
        except (ImportError, ValueError, RuntimeError) as error:
            self._able = False
            _log.warning(
                "%s: its tokens cannot be held to a schema (%s); its answers are checked, and asked for again",
                self._loaded.name,
                str(error).splitlines()[0],
            )
            return None

    def _tokens(self) -> xgrammar.TokenizerInfo:
        """Each token's bytes; special tokens and those with control characters have none, and are in no answer.

        Raises:
            ValueError: its tokens in a row are not the text that they stand for, or nothing ends an answer.
        """
        tokenizer, stops = self._loaded.processor.tokenizer, self._stops()
        size = int(self._loaded.model.config.get_text_config().vocab_size)
        found = xgrammar.TokenizerInfo.from_huggingface(tokenizer, vocab_size=size, stop_token_ids=stops)
        special = {n for n, token in tokenizer.added_tokens_decoder.items() if token.special} | set(stops)
        pieces = [
            b"" if n in special or any(byte < BLANK for byte in piece) else piece
            for n, piece in enumerate(found.decoded_vocab)
        ]
        ids = tokenizer(PROBE, add_special_tokens=False).input_ids
        if b"".join(pieces[n] for n in ids).decode(errors="replace").strip() != PROBE:
            raise ValueError("they are no pieces of text")
        return xgrammar.TokenizerInfo(
            pieces, vocab_size=size, stop_token_ids=stops, add_prefix_space=found.add_prefix_space
        )

    def _stops(self) -> list[int]:
        """The tokens at which generation ends.

        Raises:
            ValueError: there are none.
        """
        stops = self._loaded.model.generation_config.eos_token_id
        if stops is None:
            stops = self._loaded.processor.tokenizer.eos_token_id
        if stops is None:
            raise ValueError("no token ends an answer")
        return [stops] if isinstance(stops, int) else list(stops)
