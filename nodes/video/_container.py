"""A film opened by PyAV, with one message for what cannot be read. https://pyav.basswood-io.com"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from studio import InputError, MissingExtra, Video


@contextmanager
def opened(video: Video) -> Iterator[Any]:
    """The film's container; what FFmpeg says against it, here or while it is read, is an InputError."""
    try:
        import av
    except ImportError as error:
        raise MissingExtra("av", "video") from error
    try:
        with av.open(str(video.path)) as container:
            yield container
    except av.FFmpegError as error:
        raise InputError(f"no film that can be read ({error.strerror}): {video.path.name}") from error


def decoded(container: Any, stream: Any) -> Iterator[Any]:
    """The frames of a stream from where the container stands; broken packets are passed over, as players do."""
    import av

    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except av.InvalidDataError:
            continue
