"""What keeps its place when a text is translated: lines, blank lines, indents and the marks of lists."""

import pytest

from nodes.mt._pieces import same, translated

LIST = "Title\n\n- one\n- two\n  * three\n\n\n1. First. Second.\r\n2) x\n---\n> quoted\n# Head\n"
WRAPPED = "This is a long line of a letter that somebody wrote\nand it goes on here. End"


def shouted(text, target="pt"):
    """A translation into capitals, and what the model was shown."""
    shown = []
    return translated(text, target, lambda pieces: shown.extend(pieces) or [piece.upper() for piece in pieces]), shown


@pytest.mark.parametrize(
    "text", [LIST, "  indented\n", "milk\nbread\neggs", "\t- x\n\n", "— So?\n— Yes.", "a\n \nb", "", "One.\n\nTwo."]
)
def test_lines_stay(text):
    assert shouted(text)[0] == text.upper()


def test_the_model_sees_sentences_and_nothing_else():
    assert shouted(LIST)[1] == ["Title", "one", "two", "three", "First.", "Second.", "x", "quoted", "Head"]
    assert shouted("12:30\n***\n😀")[1] == []
    assert shouted("- [x] done\n(a) so")[1] == ["done", "so"]


def test_a_table_is_seen_cell_by_cell():
    table = "| a \\| b | c |\r\n|---|:-:|\r\n|| d |\nx | y\n"
    assert shouted(table) == (table.upper(), ["a \\| b", "c", "d", "x | y"])


@pytest.mark.parametrize("fence", ["```", "~~~~"])
def test_code_between_fences_stays(fence):
    code = f"{fence}py\r\nprint('x')\n\n{fence}\r\n"
    assert shouted(f"Run\n{code}Then") == (f"RUN\n{code}THEN", ["Run", "Then"])
    assert shouted(f"{fence}\nnever closed") == (f"{fence}\nNEVER CLOSED", ["never closed"])


def test_a_sentence_that_a_long_line_breaks_is_seen_whole():
    assert shouted(WRAPPED)[0] == WRAPPED.replace("\n", " ").upper()
    assert shouted(WRAPPED)[1] == [WRAPPED.replace("\n", " ").removesuffix(" End"), "End"]


def test_sentences_are_joined_as_the_language_does():
    assert shouted("One. Two.", "zh-TW")[0] == "ONE.TWO."
    assert shouted("One. Two.", "Portuguese")[0] == "ONE. TWO."


def test_another_script_is_something_to_translate():
    assert same("pt-BR", "por")
    assert not same("zh-Hans", "zh-Hant")
    assert not same("sr-Latn", "sr-Cyrl")
