"""Segments saved as subtitles: what any player reads is what was said, when it was said."""

import re

import pytest

import studio

CUE = re.compile(r"(\d+)\n([\d:,.]+) --> ([\d:,.]+)\n((?:.+\n)+)(?:\n|\Z)")
ESCAPES = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}


def saved(tmp_path, suffix, *marks):
    """The whole file, and its cues as a player cuts them: at blank lines."""
    segments = studio.Segments([{"start": start, "end": end, "text": text} for start, end, text in marks])
    written = segments.save(tmp_path / f"a{suffix}").read_text(encoding="utf-8")
    return written, [found.groups() for found in CUE.finditer(written.removeprefix("WEBVTT\n\n"))]


@pytest.mark.parametrize("suffix", [".srt", ".vtt", ".SRT", ".VTT"])
def test_a_cue_holds_no_blank_line_and_an_empty_one_is_left_out(tmp_path, suffix):
    marks = [(0, 1, "one\n\n \r\n two\x00\u2028three "), (1, 2, " \n"), (2, 3, "last")]
    _, cues = saved(tmp_path, suffix, *marks)
    assert [(number, text) for number, _, _, text in cues] == [("1", "one\ntwo\nthree\n"), ("2", "last\n")]


@pytest.mark.parametrize(
    "text", ["A --> B & back <now>", "<i>a</i> &amp; b", "a ---> b", "00:00:01.000 --> 00:00:02.000"]
)
def test_markup_is_text_in_vtt(tmp_path, text):
    written, [(*_, shown)] = saved(tmp_path, ".vtt", (0, 1, text))
    assert written.count("-->") == 1
    assert not re.search(r"<|&(?!lt;|gt;|amp;)", shown)
    assert re.sub("&(lt|gt|amp);", lambda found: ESCAPES[found[0]], shown) == f"{text}\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("A --> B ----> C & <now>", "A -> B -> C & <now>"),
        ("00:00:01,000 --> 00:00:02,000", "00:00:01,000 -> 00:00:02,000"),
        ("<i>a</I> <font color=red>b", "<\u2060i>a<\u2060/I> <\u2060font color=red>b"),
        (r"{\an8}up {so}", "{\u2060\\an8}up {so}"),
    ],
)
def test_marks_that_players_obey_are_parted_in_srt(tmp_path, text, shown):
    written, [(*_, found)] = saved(tmp_path, ".srt", (0, 1, text))
    assert (written.count("-->"), found) == (1, f"{shown}\n")


def test_cues_are_in_order_and_none_has_no_length(tmp_path):
    marks = [(5, 6, "second"), (1.0004, 1.0004, "first"), (360_000, 360_001.9996, "after 100 hours")]
    _, cues = saved(tmp_path, ".vtt", *marks)
    assert [cue[1:3] for cue in cues] == [
        ("00:00:01.000", "00:00:01.001"),
        ("00:00:05.000", "00:00:06.000"),
        ("100:00:00.000", "100:00:02.000"),
    ]


def test_neighbours_do_not_overlap_by_rounding(tmp_path):
    _, cues = saved(tmp_path, ".srt", (0, 0.33349, "a"), (0.33349, 0.6667, "b"))
    assert cues[0][2] == cues[1][1]


def test_nothing_is_a_valid_file(tmp_path):
    assert saved(tmp_path, ".vtt")[0] == "WEBVTT\n"
    assert saved(tmp_path, ".srt")[0] == ""


@pytest.mark.parametrize("text", [None, 5, ["a"]])
def test_what_is_no_text_is_no_text_of_a_segment(text):
    with pytest.raises(ValueError, match="the text of a segment is text, not"):
        studio.Segments([{"start": 0, "end": 1, "text": text}])
    with pytest.raises(ValueError, match="the label of a box is text, not None"):
        studio.Boxes([{"box": [0, 0, 1, 1], "label": None}])
