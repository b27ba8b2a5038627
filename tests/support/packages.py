"""Packages of random shape: modules that import each other in every form, and a node on top."""

import random
from pathlib import Path

WRAPS = {
    "plain": "{line}\n",
    "if": "if len(__name__):\n    {line}\n",
    "try": "try:\n    {line}\nexcept ImportError:\n    raise\n",
    "with": "import contextlib\nwith contextlib.suppress(KeyError):\n    {line}\n",
    "function": "def _late():\n    {line}\n    return [{used}]\nUSES.append(_late)\n",
    "nested": "def _late():\n    def deeper():\n        {line}\n        return [{used}]\n    return deeper()\nUSES.append(_late)\n",
    "class": "class _Holder:\n    {line}\n",
}
MODULE = '''"""A module."""
__all__ = ["total"]
VALUE = {value}
USES = []
{imports}
def total():
    """What it says, and all that it uses."""
    return [VALUE, *[use() for use in USES]]
'''
NODE = "from studio import Node\n{module}\n\nclass Say(Node):\n    def run(self, text: str) -> str:\n        return text + str(total())\n"


class RandomPackage:
    """Files of a package `name` below a folder; `node` is the dotted name of the module with the class Say."""

    def __init__(self, seed: int, folder: Path, name: str) -> None:
        self._random = random.Random(seed)
        self.name, self.root = name, folder / name
        self.texts: dict[Path, str] = {}
        packages = [name, f"{name}.one", f"{name}.one.two", f"{name}.three"]
        self.packages = {package: self._random.random() < 0.8 or package == name for package in packages}
        count = self._random.randint(4, 8)
        self.modules = [f"{self._random.choice(packages)}.m{number}" for number in range(count)]
        self.node = f"{self._random.choice(packages)}.node"
        self._write()

    def path(self, module: str) -> Path:
        """The file of a module or package."""
        stem = self.root.parent.joinpath(*module.split("."))
        return stem / "__init__.py" if module in self.packages else stem.with_suffix(".py")

    @property
    def files(self) -> list[str]:
        """All that has a file."""
        return [*self.modules, *(package for package, regular in self.packages.items() if regular), self.node]

    def edit(self, module: str, text: str) -> None:
        """Puts something at the end of a file."""
        path = self.path(module)
        self.texts[path] += text
        path.write_text(self.texts[path])

    def _write(self) -> None:
        for number, module in enumerate(self.modules):
            later = self.modules[number + 1 :]
            chosen = self._random.sample(later, min(len(later), self._random.randint(0, 2)))
            self._put(module, MODULE.format(value=number, imports=self._imports(module, chosen)))
        for number, (package, regular) in enumerate(self.packages.items()):
            self.path(package).parent.mkdir(parents=True, exist_ok=True)
            if regular:
                chosen = self.modules[-1:] if self._random.random() < 0.2 else []
                self._put(package, MODULE.format(value=100 + number, imports=self._imports(package, chosen)))
        chosen = self._random.sample(self.modules, self._random.randint(1, 2))
        self._put(self.node, NODE.format(module=MODULE.format(value=-1, imports=self._imports(self.node, chosen))))

    def _put(self, module: str, text: str) -> None:
        path = self.path(module)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.texts[path] = text
        path.write_text(text)

    def _imports(self, module: str, targets: list[str]) -> str:
        parts = []
        for number, target in enumerate(targets):
            line, used = self._line(module, target, f"x{number}")
            wrap = self._random.choice([name for name in WRAPS if "*" not in line or name in ("plain", "if", "try")])
            text = WRAPS[wrap].format(line=line, used=used).replace("_late", f"_late{number}")
            parts.append(text + (f"USES.append(lambda: {used})\n" if wrap in ("plain", "if", "try", "with") else ""))
        return "".join(parts)

    def _line(self, module: str, target: str, name: str) -> tuple[str, str]:
        """An import statement of some form, and an expression that uses what it brings."""
        above, _, last = target.rpartition(".")
        package = module if module in self.packages else module.rpartition(".")[0]
        shared = _shared(package, above)
        dots = "." * (len(package.split(".")) - len(shared) + 1)
        inner = ".".join(above.split(".")[len(shared) :])
        below = f"{dots}{inner}." if inner else dots
        forms = [
            (f"import {target}", f"{target}.VALUE"),
            (f"import {target} as {name}", f"{name}.VALUE"),
            (f"from {above} import {last}", f"{last}.VALUE"),
            (f"from {above} import {last} as {name}", f"{name}.VALUE"),
            (f"from {target} import VALUE as {name}", name),
            (f"from {dots}{inner} import {last}", f"{last}.VALUE"),
            (f"from {below}{last} import VALUE as {name}", name),
            (f"from {below}{last} import *", "0"),
            (f"import importlib; {name} = importlib.import_module('{target}')", f"{name}.VALUE"),
            (f"import importlib; {name} = importlib.import_module('{below}{last}', '{package}')", f"{name}.VALUE"),
            (f"{name} = __import__('{target}')", "0"),
        ]
        return self._random.choice(forms)


def _shared(one: str, other: str) -> list[str]:
    """The names that two dotted ones have in common, from the left."""
    common = []
    for mine, yours in zip(one.split("."), other.split("."), strict=False):
        if mine != yours:
            break
        common.append(mine)
    return common
