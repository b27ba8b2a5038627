"""The docs are true: links lead somewhere, blocks run, and everything a user can name is named."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import click
import pytest
import yaml

import cli
import studio
from studio.language.spec import GraphSpec, InputSpec
from studio.language.step_spec import StepSpec
from studio.node.registry import Registry
from studio.node.resources import Resources
from tests.support.processes import python

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DOCS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
WRITTEN = {name: text for name, text in DOCS.items() if name != "docs/cli.md"}  # by hand
_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (?:\S+/)?([\w.]+\.(?:py|yaml))\s*(?:$|·)")
_ALONE = re.compile(r"studio (?:run|check|why|show|nodes) (?:hello|bad\.yaml|\./louder\.py:Louder)(?: |$)")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    line: int
    info: str
    text: str

    @property
    def file(self) -> str:
        """The name of the file that the block is, if its first line says so."""
        match = _FILE.match(self.text.partition("\n")[0])
        return match[1] if match else ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(info: str) -> list[Block]:
    """Every block of a language."""
    found = [
        Block(name, text.count("\n", 0, match.start()) + 1, match[1], match[2])
        for name, text in DOCS.items()
        for match in _FENCE.finditer(text)
    ]
    return [block for block in found if block.info == info]


def whole_graphs() -> list[Block]:
    graphs = [block for block in blocks("yaml") if not block.file.startswith("bad")]
    return [block for block in graphs if "nodes" in (yaml.safe_load(block.text) or {})]


def commands(block: Block) -> list[tuple[str, list[str]]]:
    """The commands of a console block, each with the lines that follow it."""
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]
    return [(part.partition("\n")[0], part.partition("\n")[2].splitlines()) for part in parts]


def told(lines: list[str]) -> list[str]:
    """What a command printed, without times and in any order: steps may end in either."""
    return sorted(re.sub(r"\d+\.\d\d s", "N s", line.rstrip()) for line in lines if line.strip())


@pytest.fixture
def beside(tmp_path, request) -> Path:
    """A folder with the files that the block's page shows."""
    page = request.getfixturevalue("block").page
    for info in ("python", "yaml"):
        for block in blocks(info):
            if block.page == page and block.file:
                (tmp_path / block.file).write_text(block.text, encoding="utf-8")
    return tmp_path


def said(ended: subprocess.CompletedProcess[str]) -> list[str]:
    return [*ended.stdout.splitlines(), *ended.stderr.splitlines()]


# Links ---------------------------------------------------------------------------------------------------------------


def links(text: str) -> Iterator[str]:
    prose = _FENCE.sub("", text)
    return (link for link in re.findall(r"\]\(([^)\s]+)\)", prose) if not re.match(r"[a-z]+:", link))


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", text), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", DOCS)
def test_every_link_leads_somewhere(page):
    for link in links(DOCS[page]):
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), f"{page}: {link}"
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), f"{page}: {link}"


def test_every_page_can_be_reached_from_the_readme():
    reached, pending = set(), ["README.md"]
    while pending:
        page = pending.pop()
        if page in reached or page not in DOCS:
            continue
        reached.add(page)
        for link in links(DOCS[page]):
            target = ((ROOT / page).parent / link.partition("#")[0]).resolve()
            inside = target.glob("*.md") if target.is_dir() else [target]
            pending += [path.relative_to(ROOT).as_posix() for path in inside if path.is_relative_to(ROOT)]
    assert reached == set(DOCS)


# Blocks --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", whole_graphs(), ids=str)
def test_a_graph_that_is_shown_is_sound(block, beside, monkeypatch):
    monkeypatch.chdir(beside)
    assert studio.load(block.text).check() == ()


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_that_is_shown_compiles(block):
    compile(block.text, str(block), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("block", [b for b in blocks("python") if b.text.startswith("# runs")], ids=str)
def test_python_that_is_marked_runs(block, beside):
    (beside / "block.py").write_text(block.text, encoding="utf-8")
    ended = python("block.py", folder=beside, STUDIO_CACHE=str(beside / ".cache"))
    assert ended.returncode == 0, said(ended)


def shown_runs() -> list[Block]:
    found = [block for block in blocks("console") if all(_ALONE.match(word) for word, _ in commands(block))]
    assert found
    return found


@pytest.mark.parametrize("block", shown_runs(), ids=str)
def test_what_a_command_is_shown_to_print_is_what_it_prints(block, beside):
    for command, expected in commands(block):
        words = [word.strip("'\"") for word in command.split()[1:]]
        ended = python("-m", "studio", *words, folder=beside, STUDIO_CACHE=str(beside / ".cache"))
        assert told(said(ended)) == told(expected), command


def test_hello_is_shown_as_it_is_shipped():
    shipped = yaml.safe_load((ROOT / "graphs" / "hello.yaml").read_text(encoding="utf-8"))
    shown = [yaml.safe_load(block.text) for block in whole_graphs() if block.page == "README.md"]
    assert any(graph["nodes"] == shipped["nodes"] for graph in shown)


def test_dub_is_shown_as_it_is_shipped():
    shipped = yaml.safe_load((ROOT / "graphs" / "dub.yaml").read_text(encoding="utf-8"))
    (shown,) = (graph for block in whole_graphs() if (graph := yaml.safe_load(block.text)).get("graph") == "dub")
    assert shown["nodes"] == shipped["nodes"]
    assert shown["outputs"].items() <= shipped["outputs"].items()


# Everything is named -------------------------------------------------------------------------------------------------


def every_command(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    for word, inner in getattr(command, "commands", {}).items():
        yield from every_command(f"{name} {word}", inner)


@pytest.mark.parametrize(("name", "command"), list(every_command("studio", cli.cli)), ids=lambda value: str(value)[:30])
def test_every_command_and_option_is_named(name, command):
    text = DOCS["docs/cli.md"]
    assert name in text
    section = text.partition(f"## {name}\n")[2].partition("\n## ")[0]
    for option in command.params:
        if isinstance(option, click.Option) and name != "studio":
            assert all(f"`{word}" in section for word in option.opts), (name, option.opts)


@pytest.mark.parametrize("model", [GraphSpec, InputSpec, StepSpec, Resources], ids=lambda model: model.__name__)
def test_every_key_of_the_language_is_named(model):
    for name, info in model.model_fields.items():
        assert f"`{info.alias or name}`" in DOCS["docs/graphs.md"]


def test_every_shipped_node_is_named():
    missing = [name for name in Registry().names() if f"`{name}`" not in DOCS["docs/models.md"]]
    assert missing == []


def test_every_name_of_the_face_is_named():
    text = "\n".join(WRITTEN.values())
    assert [name for name in studio.__all__ if not re.search(rf"\b{name}\b", text)] == []


def test_every_error_has_its_exit_code_in_the_table():
    rows = dict(re.findall(r"^\| `(\w+)` \| (\d+)", DOCS["docs/embedding.md"], flags=re.MULTILINE))
    errors = [getattr(studio, name) for name in studio.__all__]
    errors = [error for error in errors if isinstance(error, type) and issubclass(error, studio.StudioError)]
    assert {error.__name__: str(getattr(error, "exit_code", 1)) for error in errors} == rows


def messages() -> Iterator[str]:
    """Every text in our code, with `…` for what is filled in."""
    for path in [*(ROOT / "studio").rglob("*.py"), *(ROOT / "nodes").rglob("*.py")]:
        for part in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match part:
                case ast.JoinedStr(values=values):
                    yield "".join(str(value.value) if isinstance(value, ast.Constant) else "…" for value in values)
                case ast.Constant(value=str() as text):
                    yield text


def test_every_message_that_is_explained_is_one():
    explained = re.findall(r"`([^`]*…[^`]*)`", _FENCE.sub("", DOCS["docs/troubleshooting.md"]))
    known = list(messages())
    forms = {text: re.compile(".*".join(map(re.escape, text.split("…"))), re.DOTALL) for text in explained}
    assert len(forms) > 8
    assert [text for text, form in forms.items() if not any(form.search(message) for message in known)] == []


def test_every_extra_is_named():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"].get("optional-dependencies", {})
    used = {Registry().find(name).node.extra for name in Registry().names()} - {""}
    assert used <= extras.keys()
    assert [name for name in used | {"starter"} if f"`{name}`" not in DOCS["docs/models.md"]] == []


def test_every_file_has_its_word_in_the_glossary():
    words = re.findall(r"^\| .* \| `([\w/]+\.py)` \|$", DOCS["docs/concepts.md"], flags=re.MULTILINE)
    engine = ROOT / "studio"
    files = [path.relative_to(engine).as_posix() for path in engine.rglob("*.py") if not path.name.startswith("__")]
    assert sorted(words) == sorted(files), "a row of docs/concepts.md for each file of studio/, and none for others"


def test_every_file_that_is_named_is_there():
    named = {(page, path) for page, text in DOCS.items() for path in re.findall(r"`((?:\w+/)+\w+\.py)\b", text)}
    roots = (ROOT, ROOT / "studio", *(path for path in (ROOT / "studio").iterdir() if path.is_dir()))
    lost = {(page, path) for page, path in named if not any((root / path).is_file() for root in roots)}
    assert lost == set()


def test_decisions_are_short_and_numbered():
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 25, page.name
        assert all(f"**{part}.**" in text for part in ("Context", "Choice", "Consequence")), page.name
        assert text.startswith(f"# {page.name[:4]} "), page.name


def test_decisions_that_the_code_cites_exist():
    numbers = {path.name[:4] for path in (ROOT / "docs" / "decisions").glob("*.md")}
    sources = [*ROOT.glob("*.py"), *(ROOT / "studio").rglob("*.py"), *(ROOT / "nodes").rglob("*.py")]
    cited = {number for path in sources for number in re.findall(r"decisions/(\d{4})", path.read_text())}
    assert cited <= numbers


# Generated pages and the floors --------------------------------------------------------------------------------------


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_the_page_of_commands_is_current():
    assert script("generate_cli").page() == DOCS["docs/cli.md"], "run: python docs/generate_cli.py"


def test_the_tree_is_current():
    for page, text in script("generate_tree").renewed().items():
        assert text == page.read_text(encoding="utf-8"), "run: python docs/generate_tree.py"


def test_the_floors_are_drawn_as_they_are_kept():
    (block,) = blocks("text floors")
    assert block.text.splitlines() == script("generate_tree").floors()
