"""Proofs that both ends know a token, and what they depend on."""

from __future__ import annotations

from itertools import combinations

from kernelbus.bus.security.proof import client_proof, same, server_proof


def test_a_proof_depends_on_the_token_the_numbers_and_who_gives_it() -> None:
    proofs = [
        client_proof("token", "one", "two"),
        server_proof("token", "one", "two"),
        client_proof("other", "one", "two"),
        client_proof("token", "two", "one"),
        client_proof("token", "one", "three"),
        client_proof("token", "on", "e\0two"),
    ]
    assert all(one != other for one, other in combinations(proofs, 2))
    assert client_proof("token", "one", "two") == proofs[0]
    assert "token" not in proofs[0] and len(proofs[0]) == 64


def test_only_the_same_text_is_the_same() -> None:
    assert same("proof", "proof")
    assert not any(same(other, "proof") for other in ("Proof", "", None, 7, "pröof"))
