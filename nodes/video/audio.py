"""The sound of a film, by PyAV (FFmpeg)."""

from typing import Any

from studio import Audio as Sound
from studio import Field, InputError, Node, Video

from .._languages import short
from ._container import opened


class Audio(Node):
    """The sound of a film, in one channel; absent where it has none, or where nothing can be heard in it.

    It begins when the film does: where its track starts later or has gaps, there is silence.
    """

    version = "2"

    class Config(Node.Config):
        """Which track, at which rate, and what counts as silence."""

        track: int | str | None = Field(
            None,
            description="which of several sound tracks: its number, from 1, or its language (en, deu); null: the one "
            "that the film marks as default",
        )
        rate: int | None = Field(None, ge=1000, le=768_000, description="samples a second; null: as the film has it")
        silence: float = Field(1e-3, ge=0, lt=1, description="a peak below this (1 is full scale) is silence")

    config: Config

    def run(self, video: Video) -> Sound | None:
        """Take it out."""
        try:
            sound = Sound.of_film(video.path, self._track(video))
        except ValueError as error:
            raise InputError(f"{error}: {video.path.name}") from error
        if sound is None or float(abs(sound.samples).max()) <= self.config.silence:
            return None
        for note in sound.notes:
            print(f"{video.path.name}: {note}")
        rate = self.config.rate
        return sound if rate in (None, sound.rate) else Sound(sound.mono(rate), rate or sound.rate)

    def _track(self, video: Video) -> int | None:
        """The number of the track that is asked for."""
        asked = self.config.track
        with opened(video) as container:
            languages = [stream.language or "und" for stream in container.streams.audio]
        if asked is None or not languages:
            return None
        numbers = [number for number, language in enumerate(languages, 1) if _is(asked, number, language)]
        if not numbers:
            there = ", ".join(f"{number} ({language})" for number, language in enumerate(languages, 1))
            raise InputError(f"no sound track {asked!r} in {video.path.name}; there are {there}")
        return numbers[0]


def _is(asked: Any, number: int, language: str) -> bool:
    if isinstance(asked, int) or asked.isdecimal():
        return int(asked) == number
    try:
        spoken = short(language)
    except InputError:  # a film may say anything
        spoken = language
    return short(asked) == spoken
