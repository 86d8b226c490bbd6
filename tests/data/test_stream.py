"""Batches from whatever can be iterated over."""

from __future__ import annotations

import numpy as np
import pytest

from tilewright.data import BatchStream

BATCHES = [(np.full(2, n), np.zeros(2, int)) for n in range(5)]


def firsts(stream):
    return [int(x[0]) for x, _ in stream]


def test_a_pass_is_all_that_the_source_has():
    stream = BatchStream(BATCHES)
    assert len(stream) == 5
    assert [firsts(stream), firsts(stream)] == [[0, 1, 2, 3, 4]] * 2
    assert stream.state_dict() == {"epoch": 2, "position": 0}


def test_passes_of_some_batches_go_on_and_begin_again():
    stream = BatchStream(BATCHES, steps=3)
    assert len(stream) == 3
    passes = [firsts(stream) for _ in range(4)]
    assert passes == [[0, 1, 2], [3, 4, 0], [1, 2, 3], [4, 0, 1]]


def test_a_generator_has_no_length_and_one_pass():
    stream = BatchStream(batch for batch in BATCHES)
    with pytest.raises(TypeError):
        len(stream)
    assert firsts(stream) == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="no batch left; a generator can be gone thr"):
        firsts(stream)


def test_a_source_that_ends_within_a_pass_is_told_of():
    stream = BatchStream(iter(BATCHES), steps=4)
    assert firsts(stream) == [0, 1, 2, 3]
    with pytest.warns(UserWarning, match="ended after 1 of 4 batches"):
        assert firsts(stream) == [4]
    with (
        pytest.warns(UserWarning, match="ended after 0 of 4"),
        pytest.raises(ValueError, match="no batch left"),
    ):
        firsts(stream)


def test_batches_are_converted():
    stream = BatchStream([1, 2], convert=lambda n: (np.full(3, n), np.zeros(3)))
    assert firsts(stream) == [1, 2]


def test_where_it_was_between_passes_alone():
    stream = BatchStream(BATCHES)
    next(iter(stream))
    assert stream.position == 1
    with pytest.raises(ValueError, match="inside an epoch, which a stream cannot"):
        BatchStream(BATCHES).load_state_dict(stream.state_dict())
    other = BatchStream(BATCHES)
    other.load_state_dict({"epoch": 3, "position": 0})
    assert other.epoch == 3


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ((3,), TypeError, "something to iterate over, got int"),
        ((BATCHES, 0), ValueError, "steps must be >= 1, got 0"),
    ],
)
def test_mistakes_are_told(arguments, kind, text):
    with pytest.raises(kind, match=text):
        BatchStream(*arguments)
