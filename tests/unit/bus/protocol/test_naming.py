"""What a typed name or the beginning of an id means."""

from __future__ import annotations

import pytest

from kernelbus.bus.protocol.naming import NotFound, find_id, find_named, find_pool

IDS = ["abcdefgh", "abcxyz00", "zz", "zzz"]
HOSTS = {"id-one": "alpha", "id-two": "beta", "id-three": "beta", "1f2e": "gamma"}


@pytest.mark.parametrize(
    ("text", "found"),
    [("abcdefgh", "abcdefgh"), ("abcd", "abcdefgh"), ("abcx", "abcxyz00"), ("zz", "zz"), ("zzz", "zzz")],
)
def test_an_id_is_found_whole_or_by_its_beginning(text: str, found: str) -> None:
    assert find_id(text, IDS, "kernel") == found


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("abc", "ambiguous-kernel", "2 kernels begin with abc: abcdefgh, abcxyz00; write more of it"),
        ("ab", "unknown-kernel", "ab is too short for the id of a kernel: write at least 3 characters of it"),
        ("", "unknown-kernel", "there is no kernel (nothing was named): there are 4 kernels"),
        ("abcdefgx", "unknown-kernel", "did you mean abcdefgh?"),
        ("0000", "unknown-kernel", "there is no kernel 0000: there are 4 kernels"),
    ],
)
def test_an_id_that_is_not_found_is_refused_with_the_nearest(text: str, code: str, words: str) -> None:
    with pytest.raises(NotFound) as error:
        find_id(text, IDS, "kernel")
    assert error.value.code == code
    assert words in str(error.value)


def test_of_many_that_begin_so_five_are_named() -> None:
    with pytest.raises(NotFound, match=r"12 sessions begin with kkk: (kkk\d+, ){5}\.\.\.; write more"):
        find_id("kkk", [f"kkk{number}" for number in range(12)], "session")


def test_where_there_is_none_the_text_says_so() -> None:
    with pytest.raises(NotFound, match="there are no kernels"):
        find_id("abc", [], "kernel")
    with pytest.raises(NotFound, match="there are no hosts"):
        find_named("alpha", {}, "host")
    with pytest.raises(NotFound, match="there are no pools, since there is no host"):
        find_pool("P", [])


@pytest.mark.parametrize(("text", "found"), [("alpha", "id-one"), ("id-tw", "id-two"), ("1f2", "1f2e"), ("gamma", "1f2e")])
def test_a_host_is_found_by_its_name_or_its_id(text: str, found: str) -> None:
    assert find_named(text, HOSTS, "host") == found


def test_a_name_goes_before_the_beginning_of_an_id() -> None:
    assert find_named("id-one", {"id-one-more": "other", "x": "id-one"}, "host") == "x"


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("beta", "ambiguous-host", "2 hosts are called beta: name one by its id: id-two, id-three"),
        ("id-", "ambiguous-host", "3 hosts are called id-"),
        ("1f", "unknown-host", "there is no host 1f"),
        ("alhpa", "unknown-host", 'did you mean "alpha"?'),
    ],
)
def test_a_host_that_is_not_found_is_refused_with_the_nearest(text: str, code: str, words: str) -> None:
    with pytest.raises(NotFound) as error:
        find_named(text, HOSTS, "host")
    assert error.value.code == code
    assert words in str(error.value)


def test_a_pool_is_named_in_full() -> None:
    assert find_pool("Main", ["Main", "Other"]) == "Main"
    with pytest.raises(NotFound, match='did you mean "Main"') as error:
        find_pool("Mian", ["Main", "Other"])
    assert error.value.code == "unknown-pool"
