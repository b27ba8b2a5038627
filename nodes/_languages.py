"""Languages: what people and models write ('en', 'EN', 'pt-BR', 'eng', 'por_Latn', 'Portuguese') as one and the same.

A language is known by its first letters, and by its script where it is written in several: zh-Hant is not zh-Hans.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

from studio import InputError

from ._language_codes import CODES, NAMES

_CODE = re.compile(r"[a-z]{2,3}(?:[-_][a-z0-9]{1,8})*", re.IGNORECASE)
_COUNTRIES = {
    "cn": "zh",
    "jp": "ja",
    "gr": "el",
    "dk": "da",
    "cz": "cs",
    "ua": "uk",
    "vn": "vi",
    "rs": "sr",
    "us": "en",
}
# The usual script of languages that are not written in Latin letters (CLDR's likely subtags).
_SCRIPTS = {
    "Arab": "ar ckb fa ks prs ps sd ug ur", "Armn": "hy", "Beng": "as bn", "Cans": "cr iu oj",
    "Cyrl": "ab av ba be bg ce cu cv kk kv ky mk mn os ru sr tg tt uk", "Deva": "bh hi mr ne sa", "Ethi": "am ti",
    "Geor": "ka", "Grek": "el", "Gujr": "gu", "Guru": "pa", "Hans": "zh", "Hant": "yue", "Hebr": "he yi", "Jpan": "ja",
    "Khmr": "km", "Knda": "kn", "Kore": "ko", "Laoo": "lo", "Mlym": "ml", "Mymr": "my", "Orya": "or", "Sinh": "si",
    "Taml": "ta", "Telu": "te", "Thaa": "dv", "Thai": "th", "Tibt": "bo dz", "Yiii": "ii",
}  # fmt: skip
_USUAL = dict.fromkeys(CODES.values(), "Latn") | {
    base: script for script, bases in _SCRIPTS.items() for base in bases.split()
}
_SAME_SCRIPT = {"Hang": "Kore", "Hira": "Jpan", "Kana": "Jpan", "Hrkt": "Jpan"}
_REGIONAL = {
    ("zh", "tw"): "Hant", ("zh", "hk"): "Hant", ("zh", "mo"): "Hant", ("pa", "pk"): "Arab", ("uz", "af"): "Arab",
    ("sr", "me"): "Latn", ("mn", "cn"): "Mong", ("kk", "cn"): "Arab", ("ky", "cn"): "Arab", ("tg", "pk"): "Arab",
    ("ku", "iq"): "Arab", ("ku", "ir"): "Arab", ("az", "ir"): "Arab", ("ms", "cc"): "Arab", ("sd", "in"): "Deva",
    ("yue", "cn"): "Hans",
}  # fmt: skip
_PHRASES = {
    "simplified chinese": "zh-Hans",
    "chinese (simplified)": "zh-Hans",
    "traditional chinese": "zh-Hant",
    "chinese (traditional)": "zh-Hant",
    "brazilian portuguese": "pt-BR",
    "sh": "sr-Latn",  # withdrawn: Serbo-Croatian
    "hbs": "sr-Latn",
    "serbo-croatian": "sr-Latn",
}


@dataclass(frozen=True)
class Language:
    """A language, and the script it is written in where that is known."""

    base: str  # ISO 639-1 where it has such a code
    script: str | None  # ISO 15924
    said: bool = False  # whether the script was said, or is the usual one

    @classmethod
    @lru_cache(maxsize=4096)
    def of(cls, code: str) -> "Language":
        """From a code or an English name; InputError for what is none."""
        name = " ".join(code.lower().split())
        code = _PHRASES.get(name, NAMES.get(name, code.strip()))
        if not _CODE.fullmatch(code):
            raise _unknown(code)
        first, *rest = re.split("[-_]", code.lower())
        if first == "zh" and rest and len(rest[0]) == 3 and rest[0].isalpha():  # zh-yue: the older way to say yue
            first, *rest = rest
        if len(first) == 2 and first not in CODES:
            raise _unknown(code)
        base = CODES.get(first, first)
        script = next((part.capitalize() for part in rest if len(part) == 4 and part.isalpha()), None)
        script = script or next((_REGIONAL[base, part] for part in rest if (base, part) in _REGIONAL), None)
        return cls(base, _SAME_SCRIPT.get(script or "", script) or _USUAL.get(base), script is not None)

    def same(self, other: "Language") -> bool:
        """Whether who reads the one can read the other."""
        alike = None in (self.script, other.script) or self.script == other.script
        return self.base == other.base and alike


def short(code: str) -> str:
    """The language of `code` by its ISO 639-1 letters where it has some: 'pt' for 'pt-BR', 'PT' and 'por'."""
    return Language.of(code).base


def spoken(code: str, languages: Iterable[str], who: str) -> str:
    """The one of `languages` that `code` means, as it is written there; else an error that names them."""
    known = list(languages)
    language = short(code)
    found = next((each for each in known if short(each) == language), None)
    if found is None:
        raise InputError(f"{who} does not speak '{code}'; it speaks {', '.join(known)}")
    return found


def _unknown(code: str) -> InputError:
    close = [_COUNTRIES[code.lower()]] if code.lower() in _COUNTRIES else []
    close += [f"{name} ({NAMES[name]})" for name in get_close_matches(code.lower(), NAMES, 2, 0.75)]
    meant = f". Did you mean {' or '.join(close)}?" if close else ""
    return InputError(f"'{code}' is not a language code; codes look like en, pt-BR or eng{meant}")
