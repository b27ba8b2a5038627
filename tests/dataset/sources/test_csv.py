"""CSV: headers, delimiters, quotes, and what is told of a broken row."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.dataset.sources import open_rows
from studio.errors import InputError


def rows_of(path, text, name="clips.csv"):
    file = path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return open_rows(file)


def told(path, text, name="clips.csv"):
    rows = rows_of(path, text, name)
    return [dict(row.values) or f"{row.place.removeprefix(str(path) + '/')}: {row.error}" for row in rows]


def test_a_row_holds_words_by_column(tmp_path):
    rows = rows_of(tmp_path, "id,text\n1,olá\n\n2,\n")
    first, second = rows
    assert (first.place, first.values, first.words) == (f"{tmp_path}/clips.csv:2", {"id": "1", "text": "olá"}, True)
    assert (second.place, second.values) == (f"{tmp_path}/clips.csv:4", {"id": "2"})  # an empty field is not given
    assert (rows.columns, rows.folder, rows.count()) == (("id", "text"), tmp_path, 3)
    assert list(rows) == [first, second]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_the_one_of_the_header(tmp_path, delimiter):
    text = f'id{delimiter}"a text"{delimiter}x\n1{delimiter}"a{delimiter}b"{delimiter}3.5\n'
    assert told(tmp_path, text) == [{"id": "1", "a text": f"a{delimiter}b", "x": "3.5"}]


def test_a_semicolon_wins_over_the_comma_of_a_name(tmp_path):
    assert told(tmp_path, 'a;"b, or c";d\n1;2,5;3\n') == [{"a": "1", "b, or c": "2,5", "d": "3"}]


@pytest.mark.parametrize("header", ["text", "a text", '"text, that is"', "prompt\r"])
def test_one_column_is_one_column(tmp_path, header):
    lines = ["hello", "hello, world", "a; b", "a\tb", '"quoted, text"', "eee e"]
    found = told(tmp_path, "\n".join([header, *lines]))
    assert [list(row.values()) for row in found] == [[line.strip('"')] for line in lines]


def test_a_tsv_is_told_by_its_suffix(tmp_path):
    assert told(tmp_path, "a,b\tc\n1,2\t3\n", "x.tsv") == [{"a,b": "1,2", "c": "3"}]
    assert told(tmp_path, "a,b\n1,2\n", "x.TSV") == [{"a,b": "1,2"}]


def test_a_quoted_text_may_have_lines(tmp_path):
    rows = list(rows_of(tmp_path, 'id,text\n1,"one\ntwo\r\n""three"""\n2,x\n'))
    assert [row.values["text"] for row in rows] == ['one\ntwo\r\n"three"', "x"]
    assert [row.place[-2:] for row in rows] == [":2", ":5"]


def test_too_many_and_too_few_fields_are_that_rows_error(tmp_path):
    assert told(tmp_path, "a,b\n1,2,3\n1\n1,2\n") == [
        "clips.csv:2: 3 fields, but the header names 2: a, b. A text that holds a delimiter stands in quotes",
        "clips.csv:3: 1 field, but the header names 2: a, b",
        {"a": "1", "b": "2"},
    ]


def test_a_quote_that_is_not_closed_swallows_nothing(tmp_path):
    text = 'a,b\n1,"x\n2,"y"\n3,z\n4,"w\n5,v\n6,u'
    assert told(tmp_path, text) == [
        "clips.csv:2: a quote opens here and is not closed",
        {"a": "2", "b": "y"},
        {"a": "3", "b": "z"},
        "clips.csv:5: a quote opens here and is not closed",
        {"a": "5", "b": "v"},
        {"a": "6", "b": "u"},
    ]


def test_text_after_a_closing_quote_is_told(tmp_path):
    broken, good = told(tmp_path, 'a,b\n"x"y,1\nx,2\n')
    assert broken.startswith("clips.csv:2: text goes on after a closing quote")
    assert good == {"a": "x", "b": "2"}


def test_long_fields_are_fields(tmp_path):
    text = "x" * 300_000
    assert told(tmp_path, f"a,b\n1,{text}\n2,y\n") == [{"a": "1", "b": text}, {"a": "2", "b": "y"}]


def test_a_mark_at_the_start_and_windows_line_ends_are_no_matter(tmp_path):
    assert told(tmp_path, b"\xef\xbb\xbfid,text\r\n1,a\r\n") == [{"id": "1", "text": "a"}]
    assert told(tmp_path, b'\xef\xbb\xbf"id","text"\r\n1,a\r\n') == [{"id": "1", "text": "a"}]


def test_what_is_not_utf_8_is_that_rows_error(tmp_path):
    found = told(tmp_path, "a,b\n1,olá\n".encode() + "2,olá\n".encode("latin-1") + b"3,x\n")
    assert found == [
        {"a": "1", "b": "olá"},
        "clips.csv:3: not text in UTF-8, from character 5 on: save the file as UTF-8",
        {"a": "3", "b": "x"},
    ]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "clips.csv:1: the file is empty. The first line names the columns"),
        ("a,b,a\n1,2,3\n", "clips.csv:1: two columns are called 'a': rename one, or take it out"),
        (",b\n1,2\n", "clips.csv:1: column 1 of 2 has no name: give it one, or take it out"),
        ("a,b, \n", "clips.csv:1: column 3 of 3 has no name: give it one, or take it out"),
        ('a,"b\n1,2\n', "clips.csv:1: a quote opens here and is not closed. The first line names the columns"),
        ("a,b\n".encode("utf-16"), "clips.csv' is text in UTF-16: save it as UTF-8"),
        ("a,b\n".encode("utf-32"), "clips.csv' is text in UTF-32: save it as UTF-8"),
    ],
)
def test_a_bad_header_is_an_error_of_the_file(tmp_path, text, error):
    with pytest.raises(InputError) as raised:
        rows_of(tmp_path, text)
    assert str(raised.value).removeprefix("'").removeprefix(f"{tmp_path}/").startswith(error)


def test_a_header_alone_is_no_rows(tmp_path):
    rows = rows_of(tmp_path, "a,b\n")
    assert (list(rows), rows.count()) == ([], 0)


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x1f"), max_size=8)
NAMES = st.text("abc xyz,;\t\"'\n", min_size=1, max_size=5).filter(lambda name: name == name.strip())


@given(st.data(), st.sampled_from([",", ";", "\t"]), st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
def test_what_was_written_is_read(tmp_path, data, delimiter, quoting):
    names = data.draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    items = data.draw(st.lists(st.lists(WORDS, min_size=len(names), max_size=len(names)), max_size=6))
    if quoting == csv.QUOTE_MINIMAL:  # a name that holds another delimiter is quoted for the sake of no other reader
        names = [f"n{number}" for number in range(len(names))]
    if len(names) == 1:
        quoting = csv.QUOTE_ALL
    file = tmp_path / ("items.tsv" if delimiter == "\t" else "items.csv")
    with file.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out, delimiter=delimiter, quoting=quoting).writerows([names, *items])
    rows = open_rows(file)
    assert rows.columns == tuple(names)
    expected = [{name: word for name, word in zip(names, item, strict=True) if word} for item in items]
    assert [row.error for row in rows] == [""] * len(items)
    assert [row.values for row in rows] == expected


@given(st.lists(st.text('ab,"\r \x00é', max_size=6), max_size=6))
def test_no_text_stops_the_reading(tmp_path, lines):
    found = told(tmp_path, "\n".join(["a,b", *lines, "1,2"]))
    assert found[-1] == {"a": "1", "b": "2"}
