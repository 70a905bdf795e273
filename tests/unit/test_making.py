"""Records made fast are the very records that their classes make, and as frozen."""

from __future__ import annotations

import copy
import pickle
import typing
from collections.abc import Callable

import attrs
import pytest
from attrs import define, field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenix_core.beads import BODIES, Bead, Kind, Said
from phoenix_core.chain import Head, Sealed
from phoenix_core.making import evolver, maker
from phoenix_core.records import evolve
from tests.unit.test_records import anything


@frozen(cache_hash=True)
class Priced:
    """A record that remembers its hash, and looks at itself when it is made."""

    name: str
    price: int = 7
    tags: tuple[str, ...] = field(factory=tuple)

    def __attrs_post_init__(self) -> None:
        """A price is above zero."""
        if self.price <= 0:
            raise ValueError("no price")


@define
class Kept:
    """A record that is not frozen."""

    name: str
    count: int = 0


@pytest.mark.parametrize("kind", list(Kind))
@given(data=st.data())
@settings(max_examples=5)
def test_the_same_record(kind: Kind, data: st.DataObject) -> None:
    """Equal, of the same class, with the same hash and words; and nobody can change it, as nobody could before."""
    cls: typing.Any = BODIES[kind]
    body: typing.Any = data.draw(anything(cls))
    fields = {each.name: getattr(body, each.name) for each in attrs.fields(cls)}
    made = maker(cls)(*fields.values())
    assert made == body and type(made) is cls and repr(made) == repr(body)
    assert copy.copy(made) == body and pickle.loads(pickle.dumps(made)) == body
    for name, value in fields.items():
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(made, name, value)
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            delattr(made, name)
    name = data.draw(st.sampled_from(sorted(fields)))
    changed: typing.Any = evolve(made, **{name: None})
    assert type(changed) is cls and changed == attrs.evolve(body, **{name: None})


@pytest.mark.parametrize("cls", [Sealed, Said, Bead, Head])
def test_what_stands_around_a_body(cls: Callable[..., object]) -> None:
    """Every field where it belongs."""
    values = [f"{n}" for n, _ in enumerate(attrs.fields(typing.cast(type[attrs.AttrsInstance], cls)))]
    make = typing.cast(Callable[..., object], maker(typing.cast(type, cls)))
    assert make(*values) == cls(*values)


def test_what_a_class_does_with_itself_is_done() -> None:
    """The hash is remembered, the look at itself is taken: by a new record and by a changed one."""
    made = maker(Priced)("a", 3, ())
    assert made == Priced("a", 3) and hash(made) == hash(Priced("a", 3)) and {made: 1}[Priced("a", 3)] == 1
    other = evolver(Priced, "price")(made, 4)
    assert hash(other) == hash(Priced("a", 4)) != hash(made), "a changed record has a hash of its own"
    with pytest.raises(ValueError, match="no price"):
        _ = maker(Priced)("a", 0, ())
    with pytest.raises(ValueError, match="no price"):
        _ = evolve(made, price=-1)


def test_one_that_is_not_frozen_stays_open() -> None:
    """A class whose records may be changed is filled as it is."""
    kept = maker(Kept)("a", 1)
    kept.count = 2
    assert kept == Kept("a", 2) and evolve(kept, name="b") == Kept("b", 2)


def test_what_cannot_be_made_so_is_a_bug() -> None:
    """A class that converts or checks its fields, or hides one, is not for this."""

    @frozen
    class Converts:
        name: str = field(converter=str)
        other: str

    @frozen
    class Checks:
        other: str
        name: str = field(validator=attrs.validators.instance_of(str))

    @frozen
    class Knows:
        other: str
        name: str = field(init=False, default="")

    @frozen
    class Hides:
        _name: str

    for cls in (Converts, Checks, Knows):
        with pytest.raises(AssertionError, match="does more than to take its fields"):
            _ = maker(cls)
    with pytest.raises(AssertionError, match="hides a field"):
        _ = maker(Hides)
    with pytest.raises(AssertionError, match="has no field size"):
        _ = evolver(Priced, "size")
