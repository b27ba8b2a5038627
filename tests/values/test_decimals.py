"""Decimal numbers: every digit, or a word about those that would be lost."""

from decimal import Decimal

import pytest

import studio
from studio.values import KINDS, PortType
from studio.values.words import text_in, value_from

LONG = "12345678901234567.89"
GRAPH = {
    "inputs": {"price": "number?", "note": "text?", "all": "data?"},
    "nodes": {"a": {"use": "text.template", "with": {"template": "{{ t }}"}, "in": {"t": "note"}}},
    "outputs": {"price": "price", "note": "note", "all": "all"},
}


@pytest.mark.parametrize(
    ("word", "number"),
    [
        ("0.1", 0.1),
        ("0.30000000000000004", 0.30000000000000004),
        ("1.50000000000000000000", 1.5),
        ("9007199254740993", 9007199254740993),
        ("9007199254740993.0", 9007199254740993),
        ("18446744073709551615", 18446744073709551615),
        ("1e300", 1e300),
        ("5e-324", 5e-324),
    ],
)
def test_what_a_number_can_hold_is_exact(word, number):
    assert KINDS["number"].parse(word) == number
    assert KINDS["data"].parse(f'{{"x": [{word}]}}') == {"x": [number]}
    assert KINDS["number"].coerce(Decimal(word)) == number


@pytest.mark.parametrize("word", [LONG, "0.1234567890123456789", "-9007199254740992.5", "1e400", "1e-400"])
def test_what_it_cannot_hold_is_refused_with_the_way_out(word):
    for parse in (KINDS["number"].parse, lambda word: KINDS["data"].parse(f'{{"x": {word}}}')):
        with pytest.raises(ValueError, match=r"(more digits than|beyond what) a number keeps .*: give it as text"):
            parse(word)
    with pytest.raises(ValueError, match=r"more digits|beyond"):
        KINDS["data"].coerce([Decimal(word)])


@pytest.mark.parametrize("word", ["007", "1_000", "true", "null", '"1"', "[1]", ".5", "0x1"])
def test_what_is_no_number_is_refused(word):
    with pytest.raises(ValueError, match="expected a number"):
        KINDS["number"].parse(word)


def test_as_text_a_decimal_is_all_its_digits():
    assert KINDS["text"].coerce(Decimal("0.10")) == "0.10"
    assert KINDS["text"].coerce(Decimal("1E+3")) == "1000"
    with pytest.raises(ValueError, match="expected text"):
        KINDS["text"].coerce(Decimal("1E+1000000"))


def test_an_integer_that_is_too_long_is_refused_with_the_way_out(tmp_path):
    with pytest.raises(studio.InputError, match=r"more than 4,300 digits: give it as text"):
        studio.load(GRAPH).run(price=10**5000, options={"executor": "local", "cache": str(tmp_path)})


@pytest.mark.parametrize("word", ['{"a": 1, "a": 2}', '[{"b": {"a": 1, "c": 0, "a": 2}}]'])
def test_a_key_that_stands_twice_is_refused(tmp_path, word):
    with pytest.raises(ValueError, match="the key 'a' stands twice"):
        KINDS["data"].parse(word)
    (tmp_path / "found.json").write_text('[{"start": 0, "end": 1, "text": "a", "end": 2}]')
    with pytest.raises(ValueError, match="the key 'end' stands twice"):
        KINDS["segments"].coerce(tmp_path / "found.json")


@pytest.mark.parametrize("word", ['["a",]', "[" * 9000])
def test_a_list_that_is_no_json_says_what_it_should_be(word):
    with pytest.raises(ValueError, match=r"expected list\[text\]"):
        value_from(word, PortType.parse("list[text]"))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_a_text_that_does_not_say_its_encoding_is_not_read_as_nuls(tmp_path, encoding):
    (tmp_path / "a.txt").write_bytes("It’s nine".encode(encoding))
    with pytest.raises(ValueError, match=r"UTF-16 or UTF-32 without a byte order mark"):
        text_in(tmp_path / "a.txt")
    (tmp_path / "rows.csv").write_bytes("id,note\n1,nine\n".encode(encoding))
    with pytest.raises(studio.InputError, match="save it as UTF-8"):
        list(studio.load(GRAPH).map(tmp_path / "rows.csv", options={"executor": "local", "cache": False}))


def test_what_cannot_be_opened_is_told_in_words(tmp_path):
    with pytest.raises(ValueError, match="' cannot be read: is a directory"):
        text_in(tmp_path)


def test_rows_lose_no_digit(tmp_path):
    rows = [f'{{"id": "a", "price": {LONG}}}', f'{{"id": "b", "note": {LONG}}}', '{"id": "c", "price": 0.5}']
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))
    options = {"executor": "local", "cache": str(tmp_path / "cache")}
    items = {item.id: item for item in studio.load(GRAPH).map(tmp_path / "rows.jsonl", options=options)}
    assert "input 'price': 12345678901234567.89 has more digits" in items["a"].error
    assert items["b"]["note"] == LONG
    assert items["c"]["price"] == 0.5


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_file_is_read_as_its_first_bytes_say(tmp_path, encoding):
    (tmp_path / "a.txt").write_bytes("né\r\n\0x\r".encode(encoding))
    assert text_in(tmp_path / "a.txt") == "né\n\0x\n"


@pytest.mark.parametrize(
    ("data", "told"), [(b"caf\xe9", "UTF-8, from byte 4 on"), (b"\xff\xfea", "UTF-16, from byte 3")]
)
def test_a_file_that_is_no_text_is_refused(tmp_path, data, told):
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(ValueError, match=f"is not text in {told}.*save it as UTF-8"):
        text_in(tmp_path / "a.txt")


def test_vectors_and_marks_take_more_digits_than_a_float_has():
    long = Decimal("0.1000000000000000000001")
    assert KINDS["vector"].coerce([[long, 2]]) == studio.Vector([[0.1, 2.0]])
    box = {"box": [long, 0, 1, 1], "label": "cat", "score": long}
    assert next(iter(KINDS["boxes"].coerce([box])))["score"] == 0.1


def test_what_vectors_and_marks_cannot_hold_is_refused():
    with pytest.raises(ValueError, match=r"one of its numbers is beyond them: 1E\+400"):
        KINDS["vector"].coerce([Decimal("1e400"), 2])
    with pytest.raises(ValueError, match="more digits than a number keeps"):
        KINDS["segments"].coerce([{"start": 0, "end": 1, "text": "a", "sure": Decimal(LONG)}])
