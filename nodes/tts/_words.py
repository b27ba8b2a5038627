"""Writing that is not said as it stands: titles and sums of money, spelled out before the phonemes are made."""

import re

_TITLES = {
    "en": {"Mr": "Mister", "Mrs": "Missus", "Dr": "Doctor", "Prof": "Professor"},
    "es": {"Sr": "señor", "Sra": "señora", "Dr": "doctor", "Dra": "doctora", "Ud": "usted", "Uds": "ustedes"},
    "it": {"Sig": "signor", "Dott": "dottor", "Prof": "professor"},
    "pt": {"Sr": "senhor", "Sra": "senhora", "Dr": "doutor", "Dra": "doutora", "Av": "avenida"},
}
_MONEY = {
    "en": {"$": "dollars", "€": "euros", "£": "pounds", "R$": "reais"},
    "es": {"$": "dólares", "€": "euros", "£": "libras", "R$": "reales"},
    "it": {"$": "dollari", "€": "euro", "£": "sterline", "R$": "real"},
    "pt": {"$": "dólares", "€": "euros", "£": "libras", "R$": "reais"},
}
_TITLE = re.compile(r"\b([A-Z][a-z]{1,3})\.(?=\s)")
_SUM = re.compile(r"(R\$|[$€£])\s?(\d(?:[\d.,]*\d)?)")


def spelled(text: str, language: str) -> str:
    """`text` with titles and sums as they are said."""
    titles, money = _TITLES.get(language, {}), _MONEY.get(language, {})
    text = _TITLE.sub(lambda found: titles.get(found[1], found[0]), text)
    return _SUM.sub(lambda found: f"{found[2]} {money.get(found[1], found[1])}", text)
