"""The face: what `import studio` gives, and no more."""

import subprocess
import sys
import types

import pytest

import studio

HEAVY = [
    "ray",
    "torch",
    "transformers",
    "soundfile",
    "soxr",
    "av",
    "PIL",
    "jinja2",
    "rich",
    "networkx",
    "safetensors",
    "onnxruntime",
    "ctranslate2",
]


def test_the_names_are_sorted_and_all_there():
    assert studio.__all__ == sorted(studio.__all__)
    assert len(set(studio.__all__)) == len(studio.__all__)
    assert all(hasattr(studio, name) for name in studio.__all__)


def test_nothing_else_is_exported():
    assert dir(studio) == studio.__all__
    assert sorted(name for names in studio._HOMES.values() for name in names) == studio.__all__
    with pytest.raises(AttributeError, match="nonsense"):
        _ = studio.nonsense


def test_names_are_loaded_when_they_are_used():
    code = "import sys, studio; print([m for m in sys.modules if m.startswith('studio.') or m == 'pydantic'])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"


def test_every_error_and_event_is_there():
    from studio import errors
    from studio.run import events

    known = {name for name in errors.__all__ if isinstance(getattr(errors, name), type)}
    assert known | set(events.__all__) <= set(studio.__all__)


@pytest.mark.parametrize(
    "name", [name for name in studio.__all__ if isinstance(getattr(studio, name), type | types.FunctionType)]
)
def test_every_name_is_documented(name):
    assert getattr(studio, name).__doc__


def loaded(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sorted(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}


def test_importing_it_loads_nothing_heavy():
    assert not set(HEAVY) & loaded("import studio")


def test_help_loads_nothing_heavy():
    code = (
        "import cli\ntry: cli.cli.main(['--help'], prog_name='studio', standalone_mode=False)\nexcept SystemExit: pass"
    )
    assert not {*HEAVY, "numpy", "pydantic"} & loaded(code)


def test_a_check_loads_no_model_library():
    assert not {"ray", "torch", "transformers", "numpy", "networkx"} & loaded(
        "import studio; studio.load('hello').check()"
    )


def test_a_cached_run_loads_neither_ray_nor_a_model(cache_folder):
    studio.load("hello").run(name="x", options={"executor": "local"})
    assert not {"ray", "torch", "transformers", "networkx"} & loaded(
        "import studio; r = studio.load('hello').run(name='x'); assert r.steps['both'].status == 'cached'; r['greeting']"
    )


def test_errors_survive_a_journey():
    import pickle

    problem = studio.Problem("f", 1, 2, "m", "h")
    for error in (
        studio.GraphError([problem]),
        studio.StepError({"a": "b"}, 5),
        studio.MissingExtra("p", "e"),
        studio.InputError("x"),
        studio.ResourcesMissing("y"),
    ):
        again = pickle.loads(pickle.dumps(error))
        assert str(again) == str(error)
        assert again.exit_code == error.exit_code


def test_exit_codes():
    codes = {
        name: getattr(studio, name).exit_code
        for name in studio.__all__
        if isinstance(getattr(studio, name), type) and issubclass(getattr(studio, name), Exception)
    }
    assert codes == {
        "StudioError": 1, "StoreError": 1, "StepError": 1, "UsageError": 2, "GraphError": 3, "InputError": 3, "Cancelled": 130,
        "EnvironmentMissing": 5, "ResourcesMissing": 5, "MissingExtra": 5, "MissingVariable": 5, "ModelUnavailable": 5,
    }  # fmt: skip
