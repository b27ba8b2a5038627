"""How a translation model is told its languages.

M2M-100 says `__pt__`, NLLB `por_Latn`, mBART `pt_XX`, a Marian of many targets `>>por<<`, one of a single pair nothing.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from studio import InputError

from .._languages import Language, short

_TAG = re.compile(r"__([a-z]{2,3})__|([a-z]{2,3}_(?:[A-Z][a-z]{3}|[A-Z]{2}))|>>([a-z]{2,3}(?:_[A-Za-z]+)?)<<")


@dataclass(frozen=True)
class Tags:
    """The languages of a tokenizer: code as the model writes it, to the token that says it."""

    model: str
    tokens: dict[str, str]
    pair: tuple[str | None, str | None]  # of a model for one pair

    @classmethod
    def of(cls, tokenizer: Any, model: str) -> "Tags":
        """Read from the tokenizer's special tokens; one without such tokens is for a single pair."""
        names = [
            *getattr(tokenizer, "lang_code_to_token", {}).values(),
            *getattr(tokenizer, "supported_language_codes", []),
            *map(str, getattr(tokenizer, "added_tokens_decoder", {}).values()),
        ]
        matches = [match for match in map(_TAG.fullmatch, names) if match]
        pair = getattr(tokenizer, "source_lang", None), getattr(tokenizer, "target_lang", None)
        return cls(model, {next(filter(None, match.groups())): match[0] for match in matches}, pair)

    def options(self, tokenizer: Any, source: str, target: str) -> dict[str, Any]:
        """Set the tokenizer's source language; what `generate` must know of the target."""
        if not self.tokens:
            self._check_pair(source, target)
            return {}
        if not hasattr(tokenizer, "src_lang"):  # Marian: the tag stands in the text
            return {}
        tokenizer.src_lang = self._code(source)
        return {"forced_bos_token_id": tokenizer.convert_tokens_to_ids(self.tokens[self._code(target)])}

    def prefix(self, target: str) -> str:
        """What is written before each sentence, for a Marian model of many targets."""
        token = self.tokens[self._code(target)] if self.tokens else ""
        return f"{token} " if token.startswith(">>") else ""

    def _code(self, language: str) -> str:
        """The model's own code of `language`: its spelling, or its script, or any where none was asked for."""
        plain, asked = language.strip().replace("-", "_").lower(), Language.of(language)
        exact = (code for code in self.tokens if code.lower() == plain)
        alike = (code for code in self.tokens if _language(code).same(asked))
        other = (code for code in self.tokens if _language(code).base == asked.base and not asked.said)
        found = next(exact, None) or next(alike, None) or next(other, None)
        if found is None:
            raise InputError(
                f"model '{self.model}' does not speak '{language}'; it speaks {', '.join(sorted(self.tokens))}"
            )
        return found

    def _check_pair(self, source: str, target: str) -> None:
        """One pair's model says which pair, when it says anything."""
        for said, asked in zip(self.pair, (source, target), strict=True):
            if said and re.fullmatch("[a-z]{2,3}", said) and _language(said).base != short(asked):
                raise InputError(
                    f"model '{self.model}' translates {self.pair[0]} to {self.pair[1]}, not {source} to {target}"
                )


@cache
def _language(code: str) -> Language:
    """What a model's code means; one that means no language is a language of its own."""
    try:
        return Language.of(code)
    except InputError:
        return Language(code, None)
