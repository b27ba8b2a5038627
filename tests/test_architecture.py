"""The house: its floors, its doors, and what may not be in it."""

import ast
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENGINE = sorted((ROOT / "studio").rglob("*.py"))
NODES = sorted((ROOT / "nodes").rglob("*.py"))
OURS = [*ENGINE, *NODES, ROOT / "cli.py"]
STANDARD = sys.stdlib_module_names


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path) -> set[str]:
    """Every module that a file imports, those inside functions and for types too; `.x` for what lies beside it."""
    found = set()
    for part in ast.walk(ast.parse(path.read_text())):
        if isinstance(part, ast.Import):
            found |= {alias.name for alias in part.names}
        elif isinstance(part, ast.ImportFrom):
            module = "." * part.level + (part.module or "")
            found |= {module} if part.module else {module + alias.name for alias in part.names}
    return found


def test_the_floors_hold():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 kept, 0 broken" in done.stdout


@pytest.mark.parametrize("path", [p for p in ENGINE if p.name not in ("__init__.py", "__main__.py")], ids=name)
def test_nobody_inside_imports_the_face(path):
    assert "studio" not in imports(path)
    assert not {found for found in imports(path) if found.split(".")[0] in ("nodes", "cli", "tests")}
    assert not {found for found in imports(path) if found.startswith(".")}


@pytest.mark.parametrize("path", NODES, ids=name)
def test_nodes_see_the_face_and_what_lies_beside_them(path):
    found = imports(path)
    assert not {module for module in found if module.startswith(("studio.", "nodes", "cli"))}
    beside = {module for module in found if module.startswith(".")}
    assert all(module.lstrip(".").startswith("_") for module in beside), beside


def test_the_command_knows_little():
    allowed = {
        "studio",
        "studio.board",
        "studio.report",
        "studio.upkeep",
        "studio.catalog",
        "studio.registry",
        "studio.home",
        "studio.resources",
        "studio.errors",
        "studio.words",
        "studio.standby",
    }
    used = imports(ROOT / "cli.py")
    assert {module for module in used if module.startswith("studio")} <= allowed
    assert {module for module in used if module.split(".")[0] not in STANDARD and not module.startswith("studio")} <= {
        "click",
        "click.shell_completion",
    }
    top = {
        part.module if isinstance(part, ast.ImportFrom) else part.names[0].name
        for part in ast.parse((ROOT / "cli.py").read_text()).body
        if isinstance(part, ast.Import | ast.ImportFrom)
    }
    assert {module for module in top if module.split(".")[0] not in STANDARD} == {"click"}


FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "breakpoint"}
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "diskcache"}
FORBIDDEN_METHODS = {
    ("yaml", "load"),
    ("yaml", "unsafe_load"),
    ("yaml", "full_load"),
    ("os", "system"),
    ("yaml", "load_all"),
}


@pytest.mark.parametrize("path", OURS, ids=name)
def test_nothing_dangerous_is_in_the_tree(path):
    for part in ast.walk(ast.parse(path.read_text())):
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Name):
            assert part.func.id not in FORBIDDEN_CALLS, f"{path}:{part.lineno}"
        if (
            isinstance(part, ast.Call)
            and isinstance(part.func, ast.Attribute)
            and isinstance(part.func.value, ast.Name)
        ):
            called = (part.func.value.id, part.func.attr)
            assert called not in FORBIDDEN_METHODS, f"{path}:{part.lineno}"
            if called == ("torch", "load"):
                assert any(
                    word.arg == "weights_only" and getattr(word.value, "value", False) is True for word in part.keywords
                ), f"{path}:{part.lineno}"
        if isinstance(part, ast.keyword) and part.arg in ("allow_pickle", "trust_remote_code"):
            assert getattr(part.value, "value", True) is False, f"{path}:{part.lineno}"
        if isinstance(part, ast.keyword) and part.arg == "shell":
            assert getattr(part.value, "value", True) is False, f"{path}:{part.lineno}"
    assert not {module.split(".")[0] for module in imports(path)} & FORBIDDEN_MODULES


@pytest.mark.parametrize("path", [p for p in ENGINE if p.name not in ("ray.py", "cluster.py", "parcel.py")], ids=name)
def test_ray_is_known_to_its_three_modules(path):
    assert not {module for module in imports(path) if module.split(".")[0] in ("ray", "torch", "transformers")}


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [
        part
        for part in ast.walk(ast.parse(path.read_text()))
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def lines(function) -> int:
    return function.end_lineno - function.lineno + 1


def test_functions_are_short():
    lengths = [lines(function) for path in ENGINE for function in functions(path)]
    assert statistics.median(lengths) < 10
    assert sum(length > 40 for length in lengths) <= 3


@pytest.mark.parametrize("path", OURS, ids=name)
def test_a_file_says_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text())), "its first line says what it is"
    assert path.stem not in ("utils", "helpers", "common", "misc")


UNLISTED = (ROOT / "studio" / "__main__.py", ROOT / "studio" / "__init__.py")  # of the face, test_face knows more


@pytest.mark.parametrize("path", [p for p in ENGINE if p not in UNLISTED], ids=name)
def test_what_is_exported_is_there(path):
    tree = ast.parse(path.read_text())
    exported = [
        ast.literal_eval(part.value)
        for part in tree.body
        if isinstance(part, ast.Assign) and getattr(part.targets[0], "id", "") == "__all__"
    ]
    assert exported, "every module says what it exports"
    made = {part.name for part in tree.body if isinstance(part, ast.FunctionDef | ast.ClassDef)}
    made |= {
        target.id
        for part in tree.body
        if isinstance(part, ast.Assign)
        for target in part.targets
        if isinstance(target, ast.Name)
    }
    made |= {part.target.id for part in tree.body if isinstance(part, ast.AnnAssign)}
    made |= {
        alias.asname or alias.name for part in tree.body if isinstance(part, ast.ImportFrom) for alias in part.names
    }
    assert set(exported[0]) <= made
