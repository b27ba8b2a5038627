"""Arrays that a caller may still write to are copied; those that nobody else holds are taken as they are."""

import pickle

import numpy as np
import pytest

from studio import Audio, Vector
from studio.values.base import TEMPORARY


class Holder:
    def __init__(self, array) -> None:
        self.array = array


def ways(array):
    """The ways in which an array is handed over that somebody still holds."""
    holder, items, view = Holder(array), [array], array[:]
    yield lambda make: make(array)
    yield lambda make: make(holder.array)
    yield lambda make: make(items[0])
    yield lambda make: make(*items)
    yield lambda make: make(view)
    yield lambda make: make(array.reshape(-1))


@pytest.mark.parametrize("number", range(6))
def test_what_a_caller_holds_stays_the_callers(number):
    for made in (lambda a: Audio(a, 8000).samples, lambda a: Vector(a).array):
        array = np.zeros(8, np.float32)
        value = list(ways(array))[number](made)
        array[0] = 1
        assert value[0] == 0
        assert not value.flags.writeable


@pytest.mark.parametrize("way", [np.asarray, lambda array: array[:], lambda array: np.broadcast_to(array, array.shape)])
def test_a_view_that_cannot_be_written_to_does_not_change_either(way):
    for made in (lambda a: Audio(a, 8000).samples, lambda a: Vector(a).array):
        array = np.zeros(8, np.float32)
        view = way(array).view()
        view.flags.writeable = False
        value = made(view)
        array[0] = 1
        assert value[0] == 0


def test_nobody_makes_a_value_writeable_again():
    for array in (
        Audio(np.zeros(8, np.float32), 8000).samples,
        Audio(np.zeros(8, np.float32), 8000).mono(),
        Vector([1.0]).array,
    ):
        with pytest.raises(ValueError, match="cannot set WRITEABLE flag"):
            array.flags.writeable = True


def test_direct_calls_too():
    array, held = np.zeros(8, np.float32), {"array": np.zeros(8, np.float32)}
    sound, vector = Audio(array, 8000), Vector(**held)
    array[0] = held["array"][0] = 1
    assert sound.samples[0] == vector.array[0] == 0


@pytest.mark.skipif(not TEMPORARY, reason="this Python does not tell who holds an argument")
def test_what_nobody_holds_is_not_copied():
    places = []

    def fresh(count):
        array = np.zeros(count, np.float32)
        places.append(array.__array_interface__["data"][0])
        return array

    sound = Audio(fresh(100_000), 8000)  # not in the assert, which pytest takes apart
    vector = Vector(fresh(100_000))
    assert [each.__array_interface__["data"][0] for each in (sound.samples, vector.array)] == places


@pytest.mark.skipif(not TEMPORARY, reason="this Python does not tell who holds an argument")
def test_what_was_made_of_values_that_came_by_pickle_is_not_copied_either():
    received = pickle.loads(pickle.dumps(np.zeros(100_000, np.float32), protocol=5))
    places = []

    def louder():
        array = received + 1
        places.append(array.__array_interface__["data"][0])
        return array

    sound = Audio(louder(), 8000)
    assert sound.samples.__array_interface__["data"][0] == places[0]
