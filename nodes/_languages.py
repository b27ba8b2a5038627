"""Language codes: what people and models write ('en', 'EN', 'pt-BR', 'eng', 'por_Latn') brought to ISO 639-1."""

import re

from studio import InputError

# ISO 639-3 codes (and the older bibliographic ones) of languages that models here commonly speak.
_PAIRS = """
afr af · amh am · ara ar · asm as · aze az · bel be · ben bn · bos bs · bul bg · cat ca · ces cs · cze cs · cym cy
wel cy · dan da · deu de · ger de · ell el · gre el · eng en · est et · eus eu · baq eu · fas fa · per fa · fin fi
fra fr · fre fr · glg gl · guj gu · hau ha · heb he · hin hi · hrv hr · hun hu · hye hy · arm hy · ind id · isl is
ice is · ita it · jav jv · jpn ja · kan kn · kat ka · geo ka · kaz kk · khm km · kor ko · lao lo · lat la · lav lv
lin ln · lit lt · ltz lb · mal ml · mar mr · mkd mk · mac mk · mlt mt · mon mn · mri mi · mao mi · msa ms · may ms
mya my · bur my · nep ne · nld nl · dut nl · nno nn · nor no · nob no · pan pa · pol pl · por pt · pus ps · ron ro
rum ro · rus ru · sin si · slk sk · slo sk · slv sl · sna sn · snd sd · som so · spa es · sqi sq · alb sq · srp sr
sun su · swa sw · swe sv · tam ta · tel te · tgk tg · tgl tl · tha th · tur tr · ukr uk · urd ur · uzb uz · vie vi
yid yi · yor yo · zho zh · chi zh · cmn zh
"""
TWO_LETTER = dict(pair.split() for pair in re.split(r"[·\n]", _PAIRS) if pair.strip())
_CODE = re.compile(r"([a-z]{2,3})(?:[-_][a-z0-9]{2,8})*", re.IGNORECASE)


def short(code: str) -> str:
    """The language of `code` by its ISO 639-1 letters where it has some: 'pt' for 'pt-BR', 'PT' and 'por'."""
    match = _CODE.fullmatch(code.strip())
    if match is None:
        raise InputError(f"'{code}' is not a language code; codes look like en, pt-BR or eng")
    base = match[1].lower()
    return TWO_LETTER.get(base, base)


def spoken(code: str, languages: list[str], who: str) -> str:
    """`code` shortened, if it is one of `languages`; else an error that names them."""
    language = short(code)
    if language not in languages:
        raise InputError(f"{who} does not speak '{code}'; it speaks {', '.join(languages)}")
    return language
