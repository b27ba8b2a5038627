"""rank.*: scores brought together, and texts put in order."""

import math

import numpy as np
import pytest

from nodes.rank.cosine import Cosine
from nodes.rank.mean import Mean
from nodes.rank.product import Product
from nodes.rank.top import Top
from studio import InputError, Vector


def test_cosines(work):
    asked = Vector(np.array([2.0, 0.0]))
    others = [Vector(np.array(array)) for array in ([1.0, 0.0], [0.0, 5.0], [-3.0, 0.0], [0.0, 0.0], [1.0, 1.0])]
    assert work(Cosine).run(asked, others) == [1.0, 0.0, -1.0, 0.0, pytest.approx(math.sqrt(0.5), abs=1e-6)]


def test_mean(work):
    assert work(Mean).run([[1, 0, 0.5], [0, 0, 0.5]]) == [0.5, 0, 0.5]


@pytest.mark.parametrize(("scores", "said"), [([], "no lists"), ([[1], [1, 2]], r"different lengths \(1, 2\)")])
def test_no_mean(work, scores, said):
    with pytest.raises(InputError, match=said):
        work(Mean).run(scores)


def test_a_product_of_similarities(work):
    assert work(Product).run([0.5, 0.2, -0.5], [0.5, 1.0, -0.5]) == [0.25, 0.2, 0]


def test_what_was_seen_decides_alone_over_silence(work):
    assert work(Product).run([0.5, -0.2]) == [0.5, -0.2]


def test_a_product_of_probabilities(work):
    both = work(Product, sharpness=2).run([math.log(1), math.log(2)], [math.log(3), math.log(1)])
    assert both == [pytest.approx(1 / 5 * 9 / 10), pytest.approx(4 / 5 * 1 / 10)]


def test_probabilities_survive_scores_far_apart(work):
    assert work(Product, sharpness=1e6).run([0.0, 1.0]) == [0, 1]


def test_a_product_wants_as_many_of_both(work):
    with pytest.raises(InputError, match="2 scores of what was seen, and 1 of what was heard"):
        work(Product).run([1, 2], [1])


def test_a_product_of_nothing(work):
    assert work(Product).run([]) == []


def test_top(work):
    ranked = work(Top, top=2).run(["a", "b", "c"], [0.1, 0.7, 0.7])
    assert ranked.best == "b"
    assert ranked.ranking == [{"text": "b", "score": 0.7}, {"text": "c", "score": 0.7}]


@pytest.mark.parametrize(("texts", "scores"), [([], []), (["a"], [1, 2])])
def test_no_top(work, texts, scores):
    with pytest.raises(InputError, match="each text has one"):
        work(Top).run(texts, scores)
