"""Sweep: every file of a folder opened as what it is said to be. `python -m tests.support.sweep FOLDER [KIND …]`

For folders of files that others have gathered and that are not ours to keep: test pictures of Pillow, sounds of
mutagen and pydub. A file is opened in a process beside, so that one that crashes or hangs is a line like the others:

    opened   became a value, and this is what it holds
    refused  one clear line says why not
    raised   an error that is no refusal, or a message of several lines: to be mended
    died     the process ended, or the file took longer than its time: to be mended

Without a KIND (audio, image, video) the suffix of a file says it. Exit code 1 if anything raised or died.
"""

import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from studio import Audio, Image, StudioError, Video
from studio.values import KINDS

__all__ = ["Outcome", "opened", "sweep"]

PATIENCE = 60.0  # seconds for one file
MEDIA = ("audio", "image", "video")

Outcome = tuple[str, str]  # a word and what there is to say


def opened(kind: str, path: Path) -> Outcome:
    """What becomes of a file that is opened as a kind, and decoded to its end."""
    try:
        return "opened", _told(kind, path)
    except (ValueError, StudioError) as error:
        text = str(error)
        return ("refused", text) if text and len(text.splitlines()) == 1 else ("raised", repr(error))
    except Exception as error:
        return "raised", f"{type(error).__name__}: {error}"


def sweep(files: list[tuple[str, Path]]) -> Iterator[tuple[str, Path, Outcome, float]]:
    """Each kind and file with its outcome, and the seconds it took."""
    beside = _Beside()
    for kind, path in files:
        started = time.perf_counter()
        outcome = beside.ask(kind, path)
        yield kind, path, outcome, time.perf_counter() - started
    beside.end()


def kinds_of(path: Path) -> list[str]:
    """The kinds of media that a suffix may stand for."""
    return [kind for kind in MEDIA if path.suffix.lower() in KINDS[kind].suffixes]


def _told(kind: str, path: Path) -> str:
    if kind == "audio":
        sound = Audio.open(path)
        return f"{sound.seconds:.2f} s, {sound.rate} Hz, {sound.channels} ch, peak {abs(sound.mono()).max():.2f}"
    if kind == "image":
        picture = Image.open(path)
        return f"{picture.size[0]} × {picture.size[1]}, {picture.pil.mode}"
    from nodes.video import audio, frames

    film = Video.open(path)
    pictures = _working(frames.Frames).run(film)
    sound = _working(audio.Audio).run(film)
    width, height = pictures[0].size
    return f"{len(pictures)} of {width} × {height}, sound: {f'{sound.seconds:.2f} s' if sound else 'none'}"


def _working(node: type) -> object:
    made = node()
    made.config = node.Config()
    return made


class _Beside:
    """A process that opens files, made again when one of them has ended it."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there,), daemon=True)
        self._process.start()
        there.close()

    def ask(self, kind: str, path: Path) -> Outcome:
        self._here.send((kind, path))
        try:
            if self._here.poll(PATIENCE):
                return self._here.recv()
            said = f"no answer after {PATIENCE:.0f} s"
        except (EOFError, ConnectionError):
            said = "the process ended"
        self.end()
        self._start()
        return "died", said

    def end(self) -> None:
        self._process.kill()
        self._process.join()


def _serve(pipe: object) -> None:
    while True:
        pipe.send(opened(*pipe.recv()))


def main(words: list[str]) -> int:
    """The table on stdout, a line for each file, and how many there are of each outcome."""
    folder, asked = Path(words[0]), words[1:]
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    counts: Counter[str] = Counter()
    for kind, path, (word, said), took in sweep([(kind, path) for path in paths for kind in asked or kinds_of(path)]):
        counts[word] += 1
        print(f"{word:8} {kind:6} {took:5.1f} s  {path.relative_to(folder)}: {said}", flush=True)
    print(", ".join(f"{count} {word}" for word, count in counts.most_common()) or "no files")
    return int(bool(counts["raised"] + counts["died"]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
