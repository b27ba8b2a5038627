"""Chat tokens: messages as a chat model was taught to see them, where only the template speaks in the model's marks.

A mail that holds `<|im_end|>` or `[/INST]` must not end its own message and speak for somebody else. A tokenizer makes
such a mark one token wherever it stands, so a message that holds one is put into tokens apart from the template.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from studio import InputError

Message = dict[str, str]

# How templates whose marks are no tokens of their own write them: [INST], [/INST], [|user|], <<SYS>>, <start_of_turn>,
# <|im_start|>, <｜User｜>, <用户>, <s>.
_WRITTEN = re.compile(r"\[/?[A-Z][A-Z_]+\]|\[\|/?\w+\|\]|<[|｜/]?\w+[|｜]?>|<</?[A-Z]+>>")


class ChatTokens:
    """A tokenizer with a chat template, to which the text of a message is text, whatever it looks like."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        own = [str(token) for token in tokenizer.added_tokens_decoder.values()]
        marks = {mark.strip(" \t\n▁") for mark in (*own, *_WRITTEN.findall(str(tokenizer.chat_template)))} - {""}
        self._marks = re.compile("|".join(map(re.escape, sorted(marks))) or r"(?!)", re.IGNORECASE)

    def of(self, messages: Sequence[Message]) -> list[int]:
        """The tokens of the messages and of the start of an answer."""
        held = {_place(message): message["content"].strip() for message in messages if self._marked(message)}
        text = str(
            self._tokenizer.apply_chat_template(
                [_shown(message, held) for message in messages], tokenize=False, add_generation_prompt=True
            )
        )
        if changed := [content for place, content in held.items() if place not in text]:
            raise InputError(
                f"the text holds the model's own mark '{next(self._found(changed[0]))[0]}', and its chat template "
                "changes what it is told: take the mark out"
            )
        parts = re.split(f"({'|'.join(held)})", text) if held else [text]
        return [token for part in parts for token in (self._plain(held[part]) if part in held else self._all(part))]

    def _marked(self, message: Message) -> bool:
        return self._marks.search(message["content"]) is not None

    def _found(self, content: str) -> Iterator[re.Match[str]]:
        """All marks in a text, those that begin inside of another too."""
        match = self._marks.search(content)
        while match:
            yield match
            match = self._marks.search(content, match.start() + 1)

    def _plain(self, content: str) -> list[int]:
        """The tokens of a text that holds marks: each is cut after its first letter, and none is one token."""
        cuts = [0, *(mark.start() + 1 for mark in self._found(content)), len(content)]
        return [token for start, end in pairwise(cuts) for token in self._all(content[start:end], split=True)]

    def _all(self, text: str, *, split: bool = False) -> list[int]:
        if not text:
            return []
        return list(self._tokenizer(text, add_special_tokens=False, split_special_tokens=split)["input_ids"])


def _place(message: Message) -> str:
    """What stands for a message's text in the template: no text can hold the hash of itself."""
    return hashlib.sha256(message["content"].encode("utf-8", "surrogatepass")).hexdigest()


def _shown(message: Message, held: dict[str, str]) -> Message:
    """A message as the template sees it, with the blanks at its ends, which some templates take away."""
    place, content = _place(message), message["content"]
    return {**message, "content": content.replace(held[place], place)} if place in held else message
