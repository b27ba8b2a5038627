"""Text from a prompt by a served model: any endpoint that speaks OpenAI's chat completions (vLLM, llama.cpp, Ollama …).

The protocol: https://platform.openai.com/docs/api-reference/chat.
"""

import base64
import io
import random
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import SecretStr, field_validator

from studio import Field, Image, InputError, MissingExtra, ModelUnavailable, Node

from ._completion import Completion, ErrorReply, NoAnswer, error_in

CONNECT, BACKOFF, LONGEST_WAIT = 10.0, 0.5, 60.0  # seconds
TOGETHER = 8  # requests at once
SHOWN = 300  # characters of what a server says


class ServerFailed(Exception):
    """A server that could not answer now, and may later."""


class OpenAI(Node):
    """Text from a prompt, and from a picture where the model sees, by an OpenAI-compatible endpoint.

    Errors: a server that cannot be reached, refuses the key or has no such model ends the step (exit code 5); one that
    is busy or broken is asked again, as long as it says itself or with growing pauses, at most `tries` times.
    What is no answer fails the step, is said with its reason, and is never kept: one that a content filter held back,
    a refusal, a call of a tool, an empty text, any `finish_reason` but `stop` (or another server's word for it). An
    answer cut off at its limit of tokens is none either, unless `cut: keep`: then it counts one `cut`, also from the
    cache. A picture is sent as PNG at its own size.
    """

    version = "1"
    extra = "openai"
    licence = "of the model that is served, and the terms of who serves it"

    class Config(Node.Config):
        """Which server and model, and how it writes."""

        url: str = Field(description="base of the API, such as http://localhost:8000/v1")
        model: str = Field(description="the model, as the server calls it")
        key: SecretStr = Field(
            SecretStr(""), description="the API key, written ${env:OPENAI_API_KEY}; never shown or kept"
        )
        system: str = Field("", description="what the model is told before the prompt")
        max_tokens: int | None = Field(
            None, ge=1, description="longest answer, in tokens; null: the server's own limit"
        )
        cut: Literal["fail", "keep"] = Field(
            "fail",
            description="what becomes of an answer cut off at its limit of tokens: an error, or the part there is",
        )
        temperature: float | None = Field(
            0.0, ge=0, le=2, description="0: the likeliest words; more: samples; null: the server's own"
        )
        seed: int | None = Field(None, description="makes sampling repeatable, where the server can")
        timeout: float = Field(120.0, gt=0, description="seconds to wait for an answer")
        tries: int = Field(4, ge=1, le=20, description="how often a busy or broken server is asked")

        @field_validator("url")
        @classmethod
        def _http(cls, url: str) -> str:
            if not url.startswith(("http://", "https://")):
                raise ValueError("an address that starts with http:// or https://")
            return url.rstrip("/")

    config: Config

    @classmethod
    def identity(cls, config: Config, fingerprint: Callable[[Path], str]) -> object:
        """Its name: a server does not tell what its weights are."""
        return {"served": config.model}

    @classmethod
    def repeatable(cls, config: Config) -> bool:
        """With temperature 0 or a seed."""
        return config.temperature == 0 or config.seed is not None

    @classmethod
    def draws(cls, config: Config) -> bool:
        """The server does, and no generator of this process."""
        return False

    def setup(self) -> None:
        """Make the client; nothing is sent yet."""
        try:
            import httpx
        except ImportError as error:
            raise MissingExtra("httpx", "openai") from error
        key = self.config.key.get_secret_value()
        if not (key.isascii() and key.isprintable()) or " " in key:  # a library's own error would show it
            raise InputError(
                "the API key holds a blank, a line break or a letter that no key has: set its variable anew"
            )
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.client = httpx.Client(headers=headers, timeout=httpx.Timeout(self.config.timeout, connect=CONNECT))
        try:
            address = httpx.URL(self.config.url)
        except httpx.InvalidURL as error:
            raise InputError(f"'url' is not an address: {self._clean(str(error))}") from None
        self.address = address.copy_with(path=f"{address.path.rstrip('/')}/chat/completions")
        self.place = str(address.copy_with(username=None, password=None, query=None))  # what messages may show

    def run(self, prompt: str, image: Image | None = None) -> str:
        """Ask for one answer."""
        completion = self._completed(self._asked(prompt, image))
        self._count([completion])
        return completion.text

    def run_batch(self, calls: Sequence[Mapping[str, Any]]) -> list[str | Exception]:
        """Ask for several at once, each for itself."""
        with ThreadPoolExecutor(TOGETHER) as pool:
            told = list(pool.map(self._tried, calls))
        self._count([answer if isinstance(answer, Completion) else None for answer in told])
        return [answer.text if isinstance(answer, Completion) else answer for answer in told]

    def _tried(self, call: Mapping[str, Any]) -> Completion | Exception:
        try:
            return self._completed(self._asked(call["prompt"], call.get("image")))
        except Exception as error:
            return error

    def _completed(self, asked: dict[str, Any]) -> Completion:
        """Ask once; again while the server is busy."""
        for left in reversed(range(self.config.tries)):
            try:
                return self._answer(self._sent(asked))
            except _Busy as busy:
                if not left:
                    raise busy.error from None
                time.sleep(busy.pause(self.config.tries - left))
        raise AssertionError("there is at least one try")

    def _asked(self, prompt: str, image: Image | None) -> dict[str, Any]:
        content: Any = prompt
        if image is not None:
            picture = {"type": "image_url", "image_url": {"url": _data_url(image)}}
            content = [{"type": "text", "text": prompt}, picture]
        system = [{"role": "system", "content": self.config.system}] if self.config.system else []
        wanted = {name: getattr(self.config, name) for name in ("max_tokens", "temperature", "seed")}
        return {
            "model": self.config.model,
            "messages": [*system, {"role": "user", "content": content}],
            **{name: value for name, value in wanted.items() if value is not None},
        }

    def _sent(self, asked: dict[str, Any]) -> Any:
        """The server's response, whatever it says."""
        import httpx

        try:
            return self.client.post(self.address, json=asked)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            absent = f"{self.place} cannot be reached ({self._clean(str(error))}): is the server up, and 'url' right?"
            raise _Busy(ModelUnavailable(absent)) from None
        except httpx.TimeoutException:
            late = f"{self.place} did not answer within {self.config.timeout:g} s: give it a longer 'timeout'"
            raise ServerFailed(late) from None
        except httpx.RequestError as error:
            raise _Busy(ServerFailed(f"{self.place} broke off: {self._clean(str(error))}")) from None

    def _answer(self, response: Any) -> Completion:
        """What a response says, or what is wrong with it."""
        if response.status_code >= 300:
            raise self._refusal(response, response.status_code)
        try:
            completion = Completion.of(response.json())
        except ErrorReply as error:
            raise self._refusal(response, error.status) from None
        except NoAnswer as error:
            raise InputError(f"{self.place} gave no answer: {self._clean(str(error))}") from None
        except (ValueError, RecursionError):
            status = f"status {response.status_code}, " if response.status_code != 200 else ""
            told = self._clean(response.text) or "an empty reply"
            raise ServerFailed(
                f"{self.place} sent no chat completion ({status}is 'url' the base of the API?): {told}"
            ) from None
        if completion.cut and self.config.cut == "fail":
            raise InputError(
                f"{self.place} gave no whole answer: it was cut off at its limit of tokens "
                "(give it a higher max_tokens, or take what there is with cut: keep)"
            )
        return completion

    def _count(self, completions: Sequence[Completion | None]) -> None:
        """The tokens that the server says each took, if it does, and which were cut off."""
        for name, part in (("prompt tokens", "prompt_tokens"), ("tokens", "completion_tokens")):
            took = [each.usage.get(part) if each else None for each in completions]
            self.measure(**{name: [number if _is_count(number) else None for number in took]})
        self.measure(cut=[1 if each and each.cut else None for each in completions])

    def _refusal(self, response: Any, status: int) -> Exception:
        """The error that a status means."""
        model = self.config.model
        told = f"{self.place} (status {status}"
        if status in (401, 403):  # what it says may hold a part of the key
            return ModelUnavailable(
                f"{told}) refused the key: set OPENAI_API_KEY and write key: ${{env:OPENAI_API_KEY}}"
            )
        if status < 400 and (elsewhere := response.headers.get("location")):
            return InputError(f"{told}) sends requests on to '{self._clean(elsewhere)}': is 'url' the base of the API?")
        told = f"{told}: {self._clean(_said(response)) or 'an empty reply'})"
        if status == 404:
            return ModelUnavailable(f"{told} does not know model '{model}', or 'url' is not the base of the API")
        if status in (408, 409, 429) or status >= 500:
            return _Busy(
                ServerFailed(f"{told} could not answer, asked {self.config.tries} time{'s' * (self.config.tries > 1)}"),
                _retry_after(response),
            )
        return InputError(f"{told} did not accept what it was asked")

    def _clean(self, text: str) -> str:
        """A server's words, short, on one line and without the key."""
        key = self.config.key.get_secret_value()
        text = " ".join(text.replace(key, "***").split() if key else text.split())
        return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


class _Busy(Exception):
    """A try that failed, and may succeed later: the error if none is left, and how long the server wants to rest."""

    def __init__(self, error: Exception, rest: float | None = None) -> None:
        self.error, self.rest = error, rest

    def pause(self, tries: int) -> float:
        """Seconds to wait after so many tries: what the server says, or twice as long each time, with some chance."""
        wait = BACKOFF * 2 ** (tries - 1) * random.uniform(0.75, 1.25) if self.rest is None else self.rest
        return min(wait, LONGEST_WAIT)


def _retry_after(response: Any) -> float | None:
    """Seconds that the server asks to wait, written as a number or as a date."""
    told = response.headers.get("retry-after", "")
    try:
        return max(0.0, float(told))
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(told)
        return max(0.0, (when - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _said(response: Any) -> str:
    """The message of an error: `{"error": {"message": …}}`, or whatever else there is."""
    try:
        error = error_in(response.json())
    except (ValueError, RecursionError):
        error = None
    told = error.get("message") if isinstance(error, dict) else error
    return str(told or response.text)


def _is_count(number: object) -> bool:
    """Whether it is a number of tokens that can be told; what a server says beside its answer spoils no answer."""
    return type(number) is int and 0 <= number < 1 << 53


def _data_url(image: Image) -> str:
    target = io.BytesIO()
    image.rgb().save(target, "PNG")
    return f"data:image/png;base64,{base64.b64encode(target.getvalue()).decode()}"
