"""Pictures, sound, films and files: as a browser shows and plays them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from markupsafe import Markup

from studio.page.views.base import MOST_ITEMS, Scene, View, facts, joined
from studio.page.views.shelf import Shelf
from studio.units import show_bytes
from studio.values import Audio, File, Image, Video
from studio.values.pixels import in_eight_bits

__all__ = ["AudioView", "FileView", "ImageView", "VideoView", "as_sound", "preview"]

_THUMB = 240  # of one on a film strip
_SMALL = 200_000  # bytes of a picture that is shown as it came
_TINY = 64  # pixels; smaller ones are enlarged, with their pixels kept apart
_MOST_FILE = 1 << 20  # bytes of a file that the page offers
_BINS = 160  # of a waveform
_EXACT = 256  # pixels a side; pictures up to here lose nothing: they may be masks
_PICTURES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}
_SOUNDS = {b"fLaC": ("audio/flac", ".flac"), b"OggS": ("audio/ogg", ".ogg"), b"ID3": ("audio/mpeg", ".mp3")}


class ImageView(View):
    """A picture; several as a film strip."""

    def show(self, value: Any, scene: Scene) -> Markup:
        image: Image = value
        url, (width, height) = preview(image, scene.shelf, scene.pixels)
        css = "picture tiny" if max(image.size) < _TINY else "picture"
        told = facts(_size(image), f"shown at {width} × {height}" if (width, height) != image.size else "")
        return Markup('<img class="{}" src="{}" width="{}" height="{}" alt="a picture of {} pixels">{}').format(
            css, url, width, height, _size(image), told
        )

    def show_list(self, values: Sequence[Any], scene: Scene) -> Markup:
        strip = joined(_frame(image, index, scene.shelf) for index, image in enumerate(values[:MOST_ITEMS]))
        left = len(values) - MOST_ITEMS
        told = f"{len(values):,} pictures" + (f", the first {MOST_ITEMS} of them shown" if left > 0 else "")
        return Markup('<div class="strip" tabindex="0" role="group" aria-label="{}">{}</div>{}').format(
            told, strip, facts(told)
        )

    def brief(self, value: Any) -> str:
        return _size(value)


class AudioView(View):
    """Sound, to be played, with its waveform."""

    def show(self, value: Any, scene: Scene) -> Markup:
        sound: Audio = value
        url = scene.link(sound) or scene.shelf.place(*as_sound(sound))
        told = facts(self.brief(sound), f"{sound.rate:,} Hz", _channels(sound))
        return Markup(
            '<div class="sound">{}<audio controls preload="metadata" src="{}" aria-label="sound, {}"></audio></div>{}'
        ).format(_waveform(sound), url, self.brief(sound), told)

    def brief(self, value: Any) -> str:
        return f"{value.seconds:.2f} s"


class VideoView(View):
    """A film, to be played."""

    def show(self, value: Any, scene: Scene) -> Markup:
        film: Video = value
        mime, suffix = _container(film.path)
        url = scene.link(film) or scene.shelf.place(film.path, mime, suffix)
        played = "" if mime != "application/octet-stream" else "not every browser plays its format"
        preload = "auto" if url.startswith("data:") else "metadata"
        return Markup('<video controls preload="{}" src="{}" aria-label="a film"></video>{}').format(
            preload, url, facts(show_bytes(film.nbytes), played)
        )

    def brief(self, value: Any) -> str:
        return show_bytes(value.nbytes)


class FileView(View):
    """A file: how large it is, and where it is small, itself."""

    def show(self, value: Any, scene: Scene) -> Markup:
        file: File = value
        url = scene.link(file)
        if not url and file.nbytes > _MOST_FILE:
            return facts(show_bytes(file.nbytes), "too large for this page")
        url = url or scene.shelf.place(file.path, "application/octet-stream", ".bin")
        return Markup('<a class="button" href="{}" download="{}">Save the file</a>{}').format(
            url, file.name, facts(show_bytes(file.nbytes))
        )

    def brief(self, value: Any) -> str:
        return show_bytes(value.nbytes)


def preview(image: Image, shelf: Shelf, most: int) -> tuple[str, tuple[int, int]]:
    """The address of a picture, reduced where it is large, and the size in which it is there."""
    source = image.to_bytes() if max(image.size) <= most else b""
    mime = next((mime for magic, mime in _PICTURES.items() if source.startswith(magic)), "")
    if mime and len(source) <= _SMALL:
        return shelf.place(source, mime, "." + mime.partition("/")[2]), image.size
    picture = in_eight_bits(image.pil)
    picture = picture.convert("RGBA" if picture.mode in ("LA", "RGBA") else "RGB")  # a copy, where it is neither
    picture.thumbnail((most, most))
    target = io.BytesIO()
    if max(picture.size) <= _EXACT:
        picture.save(target, "PNG")
        return shelf.place(target.getvalue(), "image/png", ".png"), picture.size
    kind = "jpeg" if picture.mode in ("L", "RGB") else "webp"  # which takes twelve times as long, and knows alpha
    picture.save(target, kind, quality=88, method=2)
    return shelf.place(target.getvalue(), f"image/{kind}", f".{kind}"), picture.size


def as_sound(sound: Audio) -> tuple[bytes, str, str]:
    """Sound as a browser plays it: compressed files as they are, others as FLAC."""
    data = sound.to_bytes()
    for magic, (mime, suffix) in _SOUNDS.items():
        if data.startswith(magic):
            return data, mime, suffix
    import soundfile

    target = io.BytesIO()
    try:
        soundfile.write(target, sound.samples, sound.rate, format="FLAC", subtype="PCM_16")
    except (ValueError, soundfile.SoundFileError):  # a rate, or more channels, than FLAC has
        return data, "audio/wav", ".wav"
    return target.getvalue(), "audio/flac", ".flac"


def _frame(image: Image, index: int, shelf: Shelf) -> Markup:
    url, (width, height) = preview(image, shelf, _THUMB)
    return Markup(
        '<figure><img src="{}" width="{}" height="{}" loading="lazy" alt="picture {}">'
        "<figcaption>{}</figcaption></figure>"
    ).format(url, width, height, index, index)


def _size(image: Image) -> str:
    return "{} × {}".format(*image.size)


def _channels(sound: Audio) -> str:
    return {1: "mono", 2: "stereo"}.get(sound.channels, f"{sound.channels} channels")


def _waveform(sound: Audio) -> Markup:
    """How loud the sound is from left to right, as a shape."""
    import numpy as np

    loud = np.abs(sound.mono())
    edges = np.linspace(0, len(loud), min(_BINS, len(loud)) + 1).astype(int)
    peaks = [float(loud[a:b].max()) for a, b in pairwise(edges)]
    top = max(peaks) or 1.0
    path = "".join(
        f"M{x + 0.5} {20 - h}v{2 * h}" for x, peak in enumerate(peaks) for h in [round(18 * peak / top + 0.5, 1)]
    )
    return Markup(
        '<svg class="wave" viewBox="0 0 {} 40" preserveAspectRatio="none" aria-hidden="true"><path d="{}"/></svg>'
    ).format(len(peaks), path)


def _container(path: Path) -> tuple[str, str]:
    """What kind of film a file holds, by its first bytes."""
    with path.open("rb") as file:
        head = file.read(12)
    if head[4:8] == b"ftyp":
        return ("video/mp4", ".mp4")
    if head.startswith(b"\x1aE\xdf\xa3"):
        return ("video/webm", ".webm")
    if head.startswith(b"OggS"):
        return ("video/ogg", ".ogv")
    return ("application/octet-stream", ".bin")
