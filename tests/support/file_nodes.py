"""Nodes that deal in files, where a worker in another process finds them."""

import shutil
import tempfile
import time
from pathlib import Path

from studio import Audio, File, Node, Video


class OnePlace(Node):
    """Writes each file to the one place that its tool knows."""

    class Config(Node.Config):
        place: str

    def run(self, text: str) -> File:
        Path(self.config.place).write_text(text)
        return File(self.config.place)


class OneValue(OnePlace):
    """The same, and the value is one for ever, too."""

    def run(self, text: str) -> File:
        value = super().run(text)
        self.value = getattr(self, "value", value)
        return self.value


class OnePlaceInBatches(OnePlace):
    """The same with batches: of one, only the last file is there when it ends."""

    def run_batch(self, inputs: list[dict]) -> list[File]:
        return [self.run(**given) for given in inputs]


class Several(Node):
    """Several files in one folder, which the next run empties."""

    class Config(Node.Config):
        place: str

    def run(self, text: str) -> list[File]:
        shutil.rmtree(self.config.place, ignore_errors=True)
        Path(self.config.place).mkdir()
        paths = [Path(self.config.place) / f"{letter}.txt" for letter in text]
        return [File(path) for path in paths if path.write_text(path.stem * 2)]


class Read(Node):
    """What a node can see of a file."""

    def run(self, file: File) -> str:
        return f"{file.path.name}: {file.path.read_text()}"


class ReadAll(Node):
    """The same of several."""

    def run(self, files: list[File]) -> str:
        return ", ".join(f"{file.path.name}: {file.path.read_text()}" for file in files)


class ReadFilm(Node):
    """The same of a film."""

    def run(self, video: Video) -> str:
        return f"{video.path.name}: {video.path.read_text()}"


class Named(Node):
    """A file of another name than its place, or made of bytes."""

    class Config(Node.Config):
        place: str = ""
        called: str

    def run(self, text: str) -> File:
        if not self.config.place:
            return File.from_bytes(text.encode(), name=self.config.called)
        Path(self.config.place).write_text(text)
        return File(self.config.place, name=self.config.called)


class Same(Node):
    """A file as it is."""

    def run(self, file: File) -> File:
        return file


class Linked(Node):
    """The same content by a link, at a place of its own."""

    class Config(Node.Config):
        place: str

    def run(self, file: File) -> File:
        Path(self.config.place).unlink(missing_ok=True)
        Path(self.config.place).hardlink_to(file.path)
        return File(self.config.place)


class Moved(Node):
    """The file it was given, under another name in the same folder."""

    def run(self, file: File) -> File:
        return File(file.path.rename(file.path.with_name("moved.txt")))


class Renamed(Node):
    """The file it was given, with another name."""

    def run(self, file: File) -> File:
        return File(file.path, name="named.txt")


class Beside(Node):
    """Writes its file beside the one that it was given."""

    def run(self, file: File) -> File:
        place = file.path.with_suffix(".out")
        place.write_text(file.path.read_text() + "!")
        return File(place)


class Meddler(Node):
    """While it reads its file, somebody writes to the place from where it came."""

    class Config(Node.Config):
        place: str

    def run(self, file: File) -> str:
        Path(self.config.place).write_text("later!")  # of the same size
        return file.path.read_text()


class InPlace(Node):
    """Changes the file that it was given."""

    def run(self, file: File) -> str:
        time.sleep(0.01)
        file.path.chmod(0o644)
        file.path.write_text("changed")
        return "done"


class Moves(Node):
    """Moves the file that it was given away."""

    class Config(Node.Config):
        place: str

    def run(self, file: File) -> str:
        shutil.move(file.path, self.config.place)
        return Path(self.config.place).read_text()


class Gone(Node):
    """Gives a file that is gone by then."""

    def run(self, text: str) -> File:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "a.txt"
            place.write_text(text)
            return File(place)


class Loud(Node):
    """Knows a sound by its length."""

    def run(self, audio: Audio) -> int:
        return len(audio.samples)
