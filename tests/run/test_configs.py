"""What a config holds decides keys and workers, however little of it a dump shows."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_serializer

import studio
from studio.cache.file_digests import FileDigests
from studio.executors.local import LocalExecutor
from studio.executors.shipping import ship, shipped_from, unpacked
from studio.executors.task import Recipe
from studio.paths import state_folder
from studio.run.recipes import recipe_of
from tests.support import configs
from tests.support.door import run_log


@pytest.fixture
def local_executor() -> Iterator[LocalExecutor]:
    """One of this test's own."""
    executor = LocalExecutor()
    yield executor
    executor.close()


UNCACHED = {"cache": False}
TWO = """
nodes:
  a: {use: NODE, with: {text: x, FIELD: A}}
  b: {use: NODE, with: {text: x, FIELD: B}}
outputs: {a: a, b: b}
"""


class Options(BaseModel):
    shelf: str = Field("", exclude=True)
    step: float = 0.0

    @field_serializer("step")
    def _rounded(self, step: float) -> float:
        return round(step)


class Deep(Options):
    more: str = ""


class Shows(studio.Node):
    """All that its config holds."""

    class Config(studio.Node.Config):
        key: SecretStr = SecretStr("")
        options: Options = Options()
        either: Deep | Options = Options()
        number: float = 0.0
        hidden: str = Field("", exclude=True, repr=False)

    def run(self, text: str) -> str:
        held = self.config
        more = getattr(held.either, "more", "")
        words = (held.key.get_secret_value(), held.options.shelf, held.options.step, more, held.number, held.hidden)
        return " ".join(map(str, words))


def two(node, field, a, b):
    text = TWO.replace("NODE", node.__name__).replace("FIELD", field)
    return text.replace("A}", f"{json.dumps(a)}}}").replace("B}", f"{json.dumps(b)}}}")


LOSSY = {
    "a secret": ("key", "one", "two"),
    "an excluded field": ("options", {"shelf": "A1"}, {"shelf": "B2"}),
    "a rounded field": ("options", {"step": 0.1}, {"step": 0.2}),
    "a subclass": ("either", {"more": "p"}, {"more": "q"}),
    "no number": ("number", ".nan", ".inf"),
    "zeros": ("number", 0.0, -0.0),
    "a hidden field": ("hidden", "one", "two"),
}


@pytest.mark.parametrize("options", [{}, UNCACHED], ids=["cached", "uncached"])
@pytest.mark.parametrize("what", LOSSY)
def test_steps_that_differ_in_what_no_dump_shows(what, options, cache_folder):
    graph = two(Shows, *LOSSY[what]).replace('".nan"', ".nan").replace('".inf"', ".inf")
    log = run_log(graph, nodes=[Shows], options=options)
    assert log.steps("done") == ["a", "b"]
    assert log.outputs["a"] != log.outputs["b"]
    if not options:
        assert run_log(graph, nodes=[Shows]).steps("cached") == ["a", "b"]


def test_why_says_which_field():
    graph = "nodes: {a: {use: Shows, with: {text: x, options: {shelf: 'X'}, key: 'one'}}}\noutputs: {a: a}"

    def reasons(text):
        (verdict,) = studio.load(text, nodes=[Shows]).why()
        return verdict.reasons

    run_log(graph, nodes=[Shows])
    assert reasons(graph) == ()
    assert reasons(graph.replace("'X'", "'Y'")) == ('config.options.shelf: "X" -> "Y"',)
    assert reasons(graph.replace("'one'", "'two'")) == ("config.key: another secret",)


class Quiet(studio.Node):
    """Keeps its secret to itself."""

    class Config(studio.Node.Config):
        key: SecretStr
        parts: dict[str, SecretStr] = {}
        hidden: str = Field("", repr=False)

    def run(self, text: str) -> str:
        return str(len(self.config.key.get_secret_value()))


def test_a_secret_is_nowhere_at_rest(cache_folder, tmp_path):
    graph = two(Quiet, "key", "swordfish-1", "swordfish-2").replace(
        "text: x", "hidden: swordfish, parts: {a: swordfish}, text: x"
    )
    assert run_log(graph, nodes=[Quiet]).steps("done") == ["a", "b"]
    kept = [path for folder in (cache_folder, state_folder()) for path in folder.rglob("*") if path.is_file()]
    assert kept
    assert not any(b"swordfish" in path.read_bytes() for path in kept)
    assert (state_folder() / "salt").stat().st_mode & 0o077 == 0


class Client:
    """Nothing that can be told."""


class Uses(studio.Node):
    """Says which client is its own."""

    class Config(studio.Node.Config):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        client: Client = Field(default_factory=Client)
        name: str = ""

    def setup(self) -> None:
        self.tasks = 0

    def run(self, text: str) -> str:
        self.tasks += 1
        return f"{id(self.config.client)} {self.tasks}"


@pytest.mark.parametrize("options", [{}, UNCACHED], ids=["cached", "uncached"])
def test_what_has_no_form_has_a_worker_of_its_own(options):
    graph = two(Uses, "name", "", "")
    logs = [run_log(graph, nodes=[Uses], options=options) for _ in range(2)]
    assert all(log.steps("done") == ["a", "b"] for log in logs)
    said = [log.outputs[name] for log in logs for name in "ab"]
    assert len({words.split()[0] for words in said}) == 4
    assert {words.split()[1] for words in said} == {"1"}
    (verdict, _) = studio.load(graph, nodes=[Uses]).why()
    assert verdict.reasons == ("cannot be cached: config.client: a Client has no canonical form",)


def test_a_worker_that_only_one_run_can_use_goes_with_it(local_executor):
    graph, options = two(Uses, "name", "", ""), {**UNCACHED, "executor": local_executor}
    for _ in range(3):
        assert run_log(graph, nodes=[Uses], options=options).steps("done") == ["a", "b"]
    assert local_executor.residents() == []
    run_log(two(Shows, "number", 1, 2), nodes=[Shows], options=options)
    assert len(local_executor.residents()) == 2


class Anything(studio.Node):
    """A config of any shape."""

    class Config(studio.Node.Config):
        value: Any = None

    def run(self, text: str) -> str:
        return text


STEP = studio.load("nodes: {a: {use: Anything, with: {text: x}}}\noutputs: {a: a}", nodes=[Anything]).plan.steps["a"]


def worker_of(value):
    config = Anything.Config.model_construct(value=value)
    return recipe_of(STEP, config, studio.Machine(), FileDigests.of_process()).key


@settings(max_examples=150)
@given(configs.values, configs.values)
def test_workers_are_shared_where_fields_are_equal(one, other):
    assert (worker_of(one) == worker_of(other)) == configs.alike(one, other)


class Stops(studio.Node):
    """Has a set."""

    class Config(studio.Node.Config):
        at: set[int]

    def run(self, text: str) -> str:
        return text


@pytest.mark.parametrize(
    "config",
    [
        Shows.Config(number=0.5),
        Shows.Config(key=SecretStr("swordfish")),
        Shows.Config(options=Options(shelf="A1", step=0.1), hidden="one", number=float("nan")),
        Shows.Config(either=Deep(more="p")),
        Shows.Config().model_copy(update={"options": Deep(more="p")}),
    ],
    ids=["plain", "secret", "excluded", "subclass", "subclass of a field's type"],
)
def test_a_config_comes_whole_to_another_process(config):
    recipe = Recipe("key", "Shows", Shows, config, studio.Resources())
    arrived, _ = unpacked(shipped_from(ship(recipe)))
    assert configs.alike(arrived.config, config)


def test_a_set_is_the_same_in_any_order():
    assert [*{0, 8}] != [*{8, 0}], "as text in two processes"
    graph = "nodes: {s: {use: Stops, with: {text: hi, at: [0, 8]}}}\noutputs: {s: s}"
    assert run_log(graph, nodes=[Stops]) == [("done", "s")]
    assert run_log(graph.replace("0, 8", "8, 0"), nodes=[Stops]) == [("cached", "s")]
