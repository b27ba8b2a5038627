"""Completion: what a reply of OpenAI's chat completions says: the words of an answer, or why there is none.

The protocol: https://platform.openai.com/docs/api-reference/chat/object. Servers that speak it differ in how they
say that an answer came to its end; the words that mean it are listed here, and any other word means that it did not.
"""

from dataclasses import dataclass
from typing import Any

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
        if isinstance(reply, dict) and (error := reply.get("error")):
            raise ErrorReply(error.get("code") if isinstance(error, dict) else None)
        try:
            choice = reply["choices"][0]
            message, reason = choice["message"], choice.get("finish_reason")
            content, refusal = message.get("content"), message.get("refusal")
        except (LookupError, TypeError, AttributeError):
            raise NoCompletion from None
        if refusal:
            raise NoAnswer(f"the model refused to answer: {refusal}")
        if (failed := choice.get("error")) and str(reason).lower() not in ENDED:  # a gateway that broke off on the way
            raise NoAnswer(
                f"the server broke off: {failed.get('message', failed) if isinstance(failed, dict) else failed}"
            )
        said = str(reason or "").strip().lower()  # a server that says nothing ended as far as it knows
        if said and said not in ENDED | CUT:
            raise NoAnswer(f"{_WHY.get(said, 'the answer did not come to its end')} (finish_reason: {reason})")
        text = _words(content)
        if not text and said in CUT:
            raise NoAnswer(f"its limit of tokens was reached before the answer began (finish_reason: {reason})")
        if not text:
            called = message.get("tool_calls") or message.get("function_call")
            raise NoAnswer(_WHY["tool_calls"] if called else f"the answer is empty (finish_reason: {reason})")
        usage = reply.get("usage")
        return cls(text, said in CUT, usage if isinstance(usage, dict) else {})


def _words(content: Any) -> str:
    """The text of a message, which some servers send in parts."""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type", "text") == "text"]
        content = "".join(part for part in parts if isinstance(part, str))
    return content.strip() if isinstance(content, str) else ""
