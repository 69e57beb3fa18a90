# SPDX-License-Identifier: Apache-2.0
"""Composite keys: joined, split, and never confused."""

import pytest
from commonwatt_chaincode.shim import InvalidRequest, create_composite_key, split_composite_key
from hypothesis import given
from hypothesis import strategies as st

parts = st.text(st.characters(exclude_characters="\x00\U0010ffff", exclude_categories=["Cs"]), max_size=8)


@given(parts.filter(bool), st.lists(parts, max_size=4))
def test_a_composite_key_gives_back_its_parts(object_type: str, attributes: list[str]) -> None:
    key = create_composite_key(object_type, attributes)
    assert key.startswith("\x00")
    assert split_composite_key(key) == (object_type, tuple(attributes))


@pytest.mark.parametrize("part", ["a\x00b", "\U0010ffff"])
def test_reserved_code_points_are_refused(part: str) -> None:
    with pytest.raises(InvalidRequest, match="reserve"):
        create_composite_key("kind", [part])


@pytest.mark.parametrize("key", ["", "simple", "\x00", "\x00kind"])
def test_other_keys_do_not_split(key: str) -> None:
    with pytest.raises(InvalidRequest, match="not a composite key"):
        split_composite_key(key)
