"""Writes docs/cli.md from the commands themselves: `python docs/generate_cli.py`."""  # noqa: INP001 - a script

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "cli.md"

HEAD = """\
# The command

*Generated from the commands themselves by `python docs/generate_cli.py`; a test keeps it current.*

`studio` and `python cli.py` (in a checkout) are the same; so is `python -m studio`.
What a command gives goes to stdout, progress and messages to stderr. `-h` or `--help` explains any of them.

| exit code | means |
|---|---|
| 0 | all is well |
| 1 | a step failed, or the cache cannot be used as asked |
| 2 | the command is wrong: an unknown graph, option, step or output |
| 3 | the graph or an input is wrong |
| 4 | some rows of a data set failed |
| 5 | the machine lacks something: resources, an extra, weights, an environment variable |
| 130 | interrupted |

| variable | is |
|---|---|
| `STUDIO_CACHE` | the cache folder; without it, the user's own cache folder |
| `STUDIO_TIER` | a folder or URL that machines share: see [caching](caching.md#a-tier-that-machines-share) |
| `STUDIO_TIER_KEY` | the secret that signs what is shared there |
| `STUDIO_MODELS` | where packaged weights are put together; without it, beside the cache |
| `STUDIO_STATE` | the state folder, where `studio up` leaves its note; without it, the user's own |
| `STUDIO_GPUS` | how many GPUs to assume, instead of looking |
| `RAY_ADDRESS` | a Ray cluster to join, instead of starting one |

`studio run` and `studio why` take inputs as `NAME=VALUE`: text, numbers and `true` or `false` as they are,
JSON for `data` and for lists in brackets, a path for media. `NAME=@FILE` reads a plain value from a file
(`@@` stands for one `@`); a NAME given again adds to a list.

`studio run --json` prints one object on stdout, also when a step fails:

```text
{"graph": "dub", "seconds": 9.1,
 "outputs": {"translation": "…", "speech": {"kind": "audio", "path": "/…/out/dub/speech.wav", "digest": "…"}},
 "steps": {"hear": {"status": "done|cached|replaced|failed|skipped", "seconds": 3.2, "key": "…",
                    "numbers": {"tokens": 412}, "elements": {"done": 3}, "message": "…"}},
 "error": "…"}
```

`error`, and a step's `message`, are there only where something went wrong; `numbers` where its node
[measured](nodes.md#measures) something, `elements` where it has `each`. What stops a run before its first step
(a wrong graph or input, missing resources) gives `{"error": "…", "exit_code": 3, "problems": […]}` instead.
Without `--out`, media alone are saved, in `out/GRAPH`; with `--out DIR` every output is.

Shells complete commands, graphs and nodes after `eval "$(_STUDIO_COMPLETE=bash_source studio)"`
(there are `zsh_source` and `fish_source`, too).
"""


def page() -> str:
    """The whole page."""
    sys.path.insert(0, str(ROOT))
    import cli

    return "\n".join([HEAD, *_sections("studio", cli.cli)]).rstrip() + "\n"


def _sections(name: str, command: click.Command) -> Iterator[str]:
    if not isinstance(command, click.Group):
        yield from _section(name, command)
        return
    for word in sorted(command.commands):
        yield from _sections(f"{name} {word}", command.commands[word])


def _section(name: str, command: click.Command) -> Iterator[str]:
    arguments = [param for param in command.params if isinstance(param, click.Argument)]
    options = [param for param in command.params if isinstance(param, click.Option)]
    words = " ".join([name, *(["[OPTIONS]"] if options else []), *map(_argument, arguments)])
    yield f"## {name}\n\n```text\n{words}\n```\n\n{inspect.cleandoc(command.help or '')}\n"
    if options:
        yield "| option | does |\n|---|---|"
        yield "\n".join(map(_option, options)) + "\n"


def _argument(argument: click.Argument) -> str:
    word = argument.metavar or str(argument.name).upper()
    if argument.metavar:
        return word
    many = "..." if argument.nargs == -1 else ""
    return f"{word}{many}" if argument.required else f"[{word}]{many}"


def _option(option: click.Option) -> str:
    value = "" if option.is_flag else f" {option.metavar or _value(option.type)}"
    names = ", ".join(f"`{name}{value if name == option.opts[-1] else ''}`" for name in option.opts)
    default = f" (default: {option.default})" if option.show_default else ""
    again = " Can be given again." if option.multiple else ""
    about = (option.help or "How it is drawn.").replace("[$STUDIO_CACHE]", "[`$STUDIO_CACHE`]")
    return f"| {names} | {about}{again}{default} |"


def _value(type_: click.ParamType) -> str:
    return "/".join(map(str, type_.choices)) if isinstance(type_, click.Choice) else type_.name.upper()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
