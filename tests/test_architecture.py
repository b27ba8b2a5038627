"""The house: its wings, its doors, and what may not be in it. Each rule is one test, and names every place that breaks it."""

import ast
import functools
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENGINE = sorted((ROOT / "studio").rglob("*.py"))
NODES = sorted((ROOT / "nodes").rglob("*.py"))
COMMANDS = [*sorted((ROOT / "studio" / "commands").glob("*.py")), ROOT / "cli.py"]
OURS = [*ENGINE, *NODES, ROOT / "cli.py"]
STANDARD = sys.stdlib_module_names


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@functools.cache
def parts(path: Path) -> list[ast.AST]:
    """Every node of a file's tree."""
    return list(ast.walk(parsed(path)))


@functools.cache
def imports(path: Path) -> set[str]:
    """Every module that a file imports, those inside functions and for types too; `.x` for what lies beside it."""
    found = set()
    for part in parts(path):
        if isinstance(part, ast.Import):
            found |= {alias.name for alias in part.names}
        elif isinstance(part, ast.ImportFrom):
            module = "." * part.level + (part.module or "")
            found |= {module} if part.module else {module + alias.name for alias in part.names}
    return found


def imported(paths, wrong) -> list[str]:
    """The imports of these files that are `wrong`."""
    return [f"{name(path)}: {module}" for path in paths for module in sorted(imports(path)) if wrong(module)]


def test_the_wings_hold():
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
    assert " 0 broken" in done.stdout


def test_few_rooms_are_seen_at_the_first_look():
    rooms = {path.relative_to(ROOT / "studio").parts[0] for path in ENGINE} - {"__init__.py", "__main__.py"}
    assert len(rooms) <= 18, sorted(rooms)


def test_nobody_inside_imports_the_face():
    inside = [path for path in ENGINE if path.name not in ("__init__.py", "__main__.py")]
    assert not imported(inside, lambda module: module == "studio" or module.startswith("."))
    assert not imported(inside, lambda module: module.split(".")[0] in ("nodes", "cli", "tests"))


def test_nodes_see_the_face_and_what_lies_beside_them():
    assert not imported(NODES, lambda module: module.startswith(("studio.", "nodes", "cli")))
    assert not imported(NODES, lambda module: module.startswith(".") and not module.lstrip(".").startswith("_"))


def test_what_a_command_needs_is_imported_when_it_runs():
    for path in COMMANDS:
        top = [part for part in parsed(path).body if isinstance(part, ast.Import | ast.ImportFrom)]
        modules = {part.module if isinstance(part, ast.ImportFrom) else part.names[0].name for part in top}
        light = ("click", "studio.commands", "studio.errors", "studio.paths", "studio.units")
        if path.name not in ("terminal.py", "progress.py", "arguments.py", "service_status.py"):  # imported late
            heavy = {m for m in modules if m.split(".")[0] not in STANDARD and not m.startswith(light)}
            assert not heavy, f"{name(path)}: {heavy}"


FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "breakpoint"}
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "diskcache"}
FORBIDDEN_METHODS = {
    ("yaml", "load"),
    ("yaml", "unsafe_load"),
    ("yaml", "full_load"),
    ("os", "system"),
    ("yaml", "load_all"),
}


def dangers(path: Path) -> Iterator[str]:
    for part in parts(path):
        asked = isinstance(part, ast.keyword) and part.arg in ("allow_pickle", "trust_remote_code", "shell")
        if asked and getattr(part.value, "value", True) is not False:
            yield f"{name(path)}:{part.value.lineno}: {part.arg}"
        if not isinstance(part, ast.Call):
            continue
        called = part.func
        if isinstance(called, ast.Name) and called.id in FORBIDDEN_CALLS:
            yield f"{name(path)}:{part.lineno}: {called.id}"
        if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
            whole = (called.value.id, called.attr)
            safe = any(w.arg == "weights_only" and getattr(w.value, "value", False) is True for w in part.keywords)
            if whole in FORBIDDEN_METHODS or (whole == ("torch", "load") and not safe):
                yield f"{name(path)}:{part.lineno}: {'.'.join(whole)}"


def test_nothing_dangerous_is_in_the_tree():
    assert not [danger for path in OURS for danger in dangers(path)]
    assert not imported(OURS, lambda module: module.split(".")[0] in FORBIDDEN_MODULES)


def test_the_rule_on_dangers_can_fail(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    for number, code in enumerate(
        ("eval('1')", "yaml.load(x)", "f(shell=True)", "torch.load(x)", "numpy.load(x, allow_pickle=True)")
    ):
        (tmp_path / f"{number}.py").write_text(code)
        assert len(list(dangers(tmp_path / f"{number}.py"))) == 1, code
    (tmp_path / "good.py").write_text("torch.load(x, weights_only=True); yaml.safe_load(x); f(shell=False)")
    assert not list(dangers(tmp_path / "good.py"))


def test_ray_is_known_to_one_folder_and_to_what_ships_classes():
    strangers = [
        path for path in ENGINE if path.parent.name != "ray" and path != ROOT / "studio" / "executors" / "shipping.py"
    ]
    assert not imported(strangers, lambda module: module.split(".")[0] in ("ray", "torch", "transformers"))


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [part for part in parts(path) if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)]


def lines(part) -> int:
    return part.end_lineno - part.lineno + 1


def test_functions_classes_and_files_are_short():
    lengths = [lines(function) for path in ENGINE for function in functions(path)]
    assert statistics.median(lengths) < 8
    assert sum(length > 40 for length in lengths) <= 3
    files = {name(path): len(path.read_text().splitlines()) for path in [*ENGINE, ROOT / "cli.py"]}
    assert not {path: length for path, length in files.items() if length > 400}
    classes = {
        f"{name(path)}: {part.name}": lines(part)
        for path in ENGINE
        for part in parts(path)
        if isinstance(part, ast.ClassDef)
    }
    assert not {where: length for where, length in classes.items() if length > 250}


def test_a_file_says_what_it_is():
    assert not [name(path) for path in OURS if not ast.get_docstring(parsed(path))]
    assert not [name(path) for path in OURS if path.stem in ("utils", "helpers", "common", "misc")]


def names_made(tree: ast.Module) -> set[str]:
    """What a module has at its top: made there, or imported."""
    made = set()
    for part in tree.body:
        if isinstance(part, ast.FunctionDef | ast.ClassDef):
            made.add(part.name)
        elif isinstance(part, ast.Assign):
            made |= {leaf.id for target in part.targets for leaf in ast.walk(target) if isinstance(leaf, ast.Name)}
        elif isinstance(part, ast.AnnAssign):
            made.add(part.target.id)
        elif isinstance(part, ast.ImportFrom):
            made |= {alias.asname or alias.name for alias in part.names}
    return made


def test_what_is_exported_is_there_and_public():
    face = (ROOT / "studio" / "__main__.py", ROOT / "studio" / "__init__.py")  # of which test_face knows more
    for path in [path for path in ENGINE if path not in face]:
        tree = parsed(path)
        if len(tree.body) == 1 and path.name == "__init__.py":
            continue  # a wing that says what it is, and exports nothing by itself
        exported = [
            ast.literal_eval(part.value)
            for part in tree.body
            if isinstance(part, ast.Assign) and getattr(part.targets[0], "id", "") == "__all__"
        ]
        assert exported, f"{name(path)} says what it exports"
        assert set(exported[0]) <= names_made(tree), name(path)
        assert not [each for each in exported[0] if each.startswith("_")], name(path)


def test_nobody_imports_what_is_private_elsewhere():
    for path in ENGINE:
        for part in parts(path):
            if isinstance(part, ast.ImportFrom) and (part.module or "").startswith("studio"):
                private = [alias.name for alias in part.names if alias.name.startswith("_")]
                assert not private, f"{name(path)}:{part.lineno}: {private}"
