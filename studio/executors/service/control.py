"""Control of a Studio that stays up between commands: starts it, asks it how it stands, ends it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, TypeVar

import psutil

from studio.errors import EnvironmentMissing
from studio.executors.service.address import Address
from studio.executors.service.channel import Channel, ChannelClosed
from studio.executors.service.protocol import (
    Bye,
    GetStatus,
    Message,
    NotUnderstood,
    ShutDown,
    Status,
    from_plain,
    to_plain,
)
from studio.node.resources import Machine
from studio.paths import state_folder

__all__ = ["ask", "down", "status", "up"]

Answer = TypeVar("Answer")

_TO_BEGIN = 90.0  # seconds for Ray to begin, on a slow machine
_TO_END = 15.0  # seconds to end by itself, before it is ended
_TICK = 0.05


def up(idle_minutes: float = 15.0, machine: Machine | None = None) -> bool:
    """Has a Studio up; False if one was already."""
    if Address.found() is not None:
        return False
    folder = state_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    words = [sys.executable, "-P", "-m", "studio.executors.service.server", "--idle", str(idle_minutes * 60)]
    words += ["--machine", machine.model_dump_json()] if machine else []
    log = folder / "up.log"
    with log.open("w") as out:
        log.chmod(0o600)
        process = subprocess.Popen(  # noqa: S603  our own module, by our own Python
            words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, cwd=Path.home()
        )
    _await_start(process, log)
    return True


def down() -> bool:
    """Ends the Studio that is up, with all its processes; False if there was none."""
    address = Address.found()
    if address is None:
        return False
    try:
        service = psutil.Process(address.pid)
        all_of_it = [service, *service.children(recursive=True)]
    except psutil.Error:
        all_of_it = []
    with contextlib.suppress(OSError, ChannelClosed):
        ask(address, ShutDown(), Bye)
    _, left = psutil.wait_procs(all_of_it, timeout=_TO_END)
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(left, timeout=1)
    address.clear()
    return True


def status() -> dict[str, Any] | None:
    """What the Studio that is up says of itself; None if there is none."""
    address = Address.found()
    if address is None:
        return None
    try:
        status = ask(address, GetStatus(), Status)
    except (OSError, ChannelClosed):
        raise EnvironmentMissing("the Studio that is up does not answer; end it with: studio down") from None
    return {**status.told, "apart": address.differs()}


def ask(address: Address, question: Message, answer: type[Answer]) -> Answer:
    """What the service answers."""
    channel: Channel = address.connect()
    try:
        channel.send(to_plain([question]))
        while True:
            for message in from_plain(channel.receive()):
                if isinstance(message, answer):
                    return message
    except NotUnderstood as error:
        raise ChannelClosed from error
    finally:
        channel.close()


def _await_start(process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _TO_BEGIN
    while Address.found() is None:
        if process.poll() is not None and Address.found() is None:
            told = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
            raise EnvironmentMissing(
                f"the Studio did not come up: {told[-1] if told else 'it said nothing'} (see {log})"
            )
        if time.monotonic() > end:
            process.kill()
            raise EnvironmentMissing(f"the Studio did not come up within {_TO_BEGIN:g} s (see {log})")
        time.sleep(_TICK)
