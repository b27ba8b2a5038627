"""A film opened by PyAV, with one message for what cannot be read. https://pyav.basswood-io.com"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from studio import InputError, Video

_LISTS = {"hls", "concat", "dash", "imf"}  # formats that only say where a film is: its key would not know the rest


@contextmanager
def opened(video: Video) -> Iterator[Any]:
    """The film's container; what FFmpeg says against it, here or while it is read, is an InputError."""
    import av

    try:
        options = {"protocol_whitelist": "file"}
        with av.open(str(video.path), metadata_errors="replace", options=options) as container:
            if container.format.name in _LISTS:
                raise InputError(f"{video.path.name} is a playlist, whose film is in other files")
            yield container
    except av.FFmpegError as error:
        raise InputError(f"no film that can be read ({error.strerror}): {video.path.name}") from error
