"""The drawings are what they are said to be."""

import random

import numpy as np

from tests.checkpoints.shapes import ANSWERS, CAPTIONS, COLORS, FORMS, drawings


def test_a_seed_draws_the_same_and_another_seed_does_not():
    first, again, other = (
        [np.asarray(drawing.picture).tobytes() for drawing in drawings(50, seed)] for seed in (1, 1, 2)
    )
    assert first == again
    assert not set(first) & set(other)


def test_there_are_all_sorts():
    assert {drawing.caption for drawing in drawings(500, seed=0)} == set(CAPTIONS)
    assert len(CAPTIONS) == len(COLORS) * len(FORMS) == 32


def test_the_color_is_on_the_picture_and_no_other_is():
    for drawing in drawings(100, seed=3):
        pixels = np.asarray(drawing.picture).astype(int).reshape(-1, 3)
        near = {name: (abs(pixels - color).max(1) <= 18).any() for name, color in COLORS.items()}
        assert [name for name, found in near.items() if found] == [drawing.color]


def test_questions_are_answered_truly_and_half_of_them_with_no():
    chance, noes = random.Random(0), 0
    for drawing in drawings(500, seed=4):
        color, form, *doubts = drawing.questions(chance)
        assert (color[1], form[1]) == (drawing.color, drawing.form)
        for question, answer in doubts:
            asked = set(question.strip("?").split()) & {*COLORS, *FORMS}
            assert answer == ("yes" if asked <= {drawing.color, drawing.form} else "no")
            assert answer in ANSWERS
            noes += answer == "no"
    assert 0.45 < noes / 1500 < 0.55
