"""Completion: what a reply of OpenAI's chat completions says: the words of an answer, or why there is none.

The protocol: https://platform.openai.com/docs/api-reference/chat/object. Servers that speak it differ in how they
say that an answer came to its end; the words that mean it are listed here, and any other word means that it did not.
"""

from dataclasses import dataclass
from typing import Any

from ._words import has_words

# vLLM, llama.cpp, Ollama and LM Studio say stop; older TGI and gateways to Anthropic, Google and Cohere the others.
ENDED = frozenset(
    {"stop", "eos", "eos_token", "end_turn", "stop_sequence", "complete", "completed", "finished", "done"}
)
CUT = frozenset({"length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded"})
_WHY = {
    "content_filter": "its content filter held the answer back",
    "safety": "its content filter held the answer back",
    "refusal": "the model refused to answer",
    "tool_calls": "it asks to call a tool, and none was offered",
    "function_call": "it asks to call a tool, and none was offered",
    "tool_use": "it asks to call a tool, and none was offered",
}


class NoCompletion(ValueError):
    """A reply that is no chat completion at all."""


class ErrorReply(ValueError):
    """An error, sent as if all were well; gateways send so what their own server said."""

    def __init__(self, code: object) -> None:
        self.status = int(str(code)) if str(code).isdecimal() and 400 <= int(str(code)) < 600 else 200


class NoAnswer(ValueError):
    """A completion that holds no answer; its text says why."""


@dataclass(frozen=True)
class Completion:
    """An answer that the model wrote, whole unless `cut`."""

    text: str
    cut: bool
    usage: dict[str, Any]

    @classmethod
    def of(cls, reply: Any) -> "Completion":
        """Read from the JSON of a reply with status 200; ErrorReply, NoCompletion or NoAnswer where it is none."""
        if error := error_in(reply):
            raise ErrorReply(error.get("code") if isinstance(error, dict) else None)
        try:
            choice = reply["choices"][0]
            message, reason = choice["message"], choice.get("finish_reason") or choice.get("finishReason")
            content, refusal = message.get("content"), message.get("refusal")
        except (LookupError, TypeError, AttributeError):
            raise NoCompletion from None
        if refusal or (refusal := _parts(content, "refusal")):
            raise NoAnswer(f"the model refused to answer: {refusal}")
        if failed := choice.get("error"):  # a gateway that broke off on the way
            raise NoAnswer(
                f"the server broke off: {failed.get('message', failed) if isinstance(failed, dict) else failed}"
            )
        said = str(reason or "").strip().lower()  # a server that says nothing ended as far as it knows
        if said and said not in ENDED | CUT:
            raise NoAnswer(f"{_WHY.get(said, 'the answer did not come to its end')} (finish_reason: {reason})")
        if message.get("tool_calls") or message.get("function_call"):  # whatever it says beside it
            raise NoAnswer(_WHY["tool_calls"])
        text = _parts(content, "text")
        if not has_words(text) and said in CUT:
            raise NoAnswer(f"its limit of tokens was reached before the answer began (finish_reason: {reason})")
        if not has_words(text):
            seen = "holds only thoughts, or nothing that is seen" if text else "is empty"
            raise NoAnswer(f"the answer {seen} (finish_reason: {reason})")
        usage = reply.get("usage")
        return cls(text, said in CUT, usage if isinstance(usage, dict) else {})


def error_in(reply: Any) -> Any:
    """What a reply says went wrong, as `{"error": …}`, that in a list, or an object that calls itself an error."""
    if isinstance(reply, list) and reply:
        reply = reply[0]
    if not isinstance(reply, dict):
        return None
    error = reply.get("error") or (reply if reply.get("object") == "error" else None)
    inner = error.get("error") if isinstance(error, dict) else None
    return inner or error


def _parts(content: Any, kind: str) -> str:
    """What a message holds of a kind; some servers send it in parts, and else all of it is text."""
    if isinstance(content, list):
        found = [part.get(kind) for part in content if isinstance(part, dict) and part.get("type", "text") == kind]
        return "".join(part for part in found if isinstance(part, str)).strip()
    return content.strip() if isinstance(content, str) and kind == "text" else ""
