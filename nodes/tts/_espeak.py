"""Phonemes by eSpeak NG, through its C library.

https://github.com/espeak-ng/espeak-ng (GPL-3, brought by `espeakng-loader`). The library holds one voice a process,
so calls are serialised and each names its voice.
"""

import ctypes
import re
import threading
from functools import cache

from studio import MissingExtra

TIE = "^"  # between the letters of one sound, as in t^ʃ
_IPA = 0x02 | 0x80 | ord(TIE) << 8
_UTF8 = 1
_RETRIEVAL = 1  # AUDIO_OUTPUT_RETRIEVAL: no sound card
_SWITCH = re.compile(r"\([^()]*\)")  # eSpeak's mark of a word taken for another language, ties and all
_lock = threading.Lock()


def ipa(text: str, voice: str) -> str:
    """How `text` sounds, in IPA, clauses separated by a space."""
    with _lock:
        library = _library()
        if library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"eSpeak NG has no voice '{voice}'")
        rest = ctypes.c_char_p(text.replace("\0", " ").encode())  # in C a NUL would be the end
        clauses = []
        while rest:  # each call takes one clause and moves on
            clauses.append(library.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, _IPA).decode())
    return " ".join(_SWITCH.sub("", " ".join(clauses)).split())


@cache
def _library() -> ctypes.CDLL:
    try:
        import espeakng_loader
    except ImportError as error:
        raise MissingExtra("espeakng-loader", "tts") from error
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    library.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int]
    if library.espeak_Initialize(_RETRIEVAL, 0, espeakng_loader.get_data_path().encode(), 0) <= 0:
        raise OSError(f"eSpeak NG could not start with the data in {espeakng_loader.get_data_path()}")
    return library
