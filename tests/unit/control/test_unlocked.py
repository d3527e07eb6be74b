"""Frozen dataclasses without the cost: what they keep of a dataclass."""

from __future__ import annotations

import copy
import inspect
from dataclasses import dataclass, field, replace

import pytest

from control.unlocked import unlocked


@dataclass(frozen=True, slots=True)
class Plain:
    first: int
    second: str = "two"
    third: list[int] = field(default_factory=list, repr=False)


@unlocked
@dataclass(frozen=True, slots=True)
class Fast:
    first: int
    second: str = "two"
    third: list[int] = field(default_factory=list, repr=False)


@unlocked
@dataclass(frozen=True, slots=True)
class More(Fast):
    fourth: int = 4

    def __post_init__(self) -> None:
        if self.fourth < 0:
            raise ValueError("negative")


def test_has_the_arguments_of_the_dataclass():
    assert inspect.signature(Fast).parameters.keys() == inspect.signature(Plain).parameters.keys()
    assert (Fast(1).first, Fast(1, "b").second, Fast(1, third=[3]).third) == (1, "b", [3])
    with pytest.raises(TypeError):
        Fast()


def test_default_factories_make_a_new_value_each_time():
    assert Fast(1).third == []
    assert Fast(1).third is not Fast(1).third


def test_equality_repr_replace_and_copies_are_the_dataclass_s():
    assert Fast(1) == Fast(1) != Fast(2)
    assert repr(Fast(1)) == repr(Plain(1)).replace("Plain", "Fast")
    assert replace(Fast(1), second="b") == Fast(1, "b")
    assert copy.deepcopy(More(1, fourth=5)) == More(1, fourth=5)
    assert hash(More(1, third=())) == hash(More(1, third=()))


def test_a_subclass_adds_fields_and_checks():
    assert More(1, "b", [3], 5).fourth == 5
    with pytest.raises(ValueError, match="negative"):
        More(1, fourth=-1)
