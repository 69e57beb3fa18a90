# SPDX-License-Identifier: Apache-2.0
"""What lets callers in: challenges, invitations, passphrases, codes, sessions, rates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
from commonwatt_community.service import sessions
from commonwatt_community.service.caller import COOKIE, TOKEN, Role
from commonwatt_community.service.challenges import CHALLENGE_S, Challenges
from commonwatt_community.service.clock import now_s
from commonwatt_community.service.invitations import VALID_S, Invitations
from commonwatt_community.service.passphrases import Passphrases, new_secret, step_of
from commonwatt_community.service.problems import Problem
from commonwatt_community.service.rates import Buckets, Rate
from commonwatt_community.service.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "service.db")
    yield made
    made.close()


def code_of(error: pytest.ExceptionInfo[Problem]) -> str:
    return error.value.code


def test_a_challenge_counts_once_and_for_a_minute() -> None:
    now = 1_000_000
    challenges = Challenges(lambda: now)
    challenge, expires_s = challenges.new()
    assert expires_s == now + CHALLENGE_S
    assert len(challenge) == 22
    challenges.use(challenge)
    with pytest.raises(Problem) as again:
        challenges.use(challenge)
    assert code_of(again) == "challenge_used"
    late, _ = challenges.new()
    now += CHALLENGE_S
    for wrong in (late, challenge, "", "x" * 22, Challenges(lambda: now).new()[0]):
        with pytest.raises(Problem) as refused:
            challenges.use(wrong)
        assert code_of(refused) == "challenge_expired"
    challenges.use(challenges.new()[0])
    assert len(challenges._used) == 1  # those that ended are forgotten


def test_an_invitation_is_of_one_kind_and_subject_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    invitations = Invitations(b"r" * 32, b"o" * 32)
    code, expires_s = invitations.new(Role.RESIDENT, "h-4f.2a")
    read = invitations.read(code)
    assert (read.role, read.subject, read.expires_s) == (Role.RESIDENT, "h-4f.2a", expires_s)
    operators, _ = invitations.new(Role.OPERATOR, "olga")
    assert invitations.read(operators).role is Role.OPERATOR
    stranger, _ = Invitations(b"s" * 32).new(Role.RESIDENT, "h-4f.2a")
    later = code.replace(str(expires_s), str(expires_s + 1))
    for wrong in (stranger, later, code.replace("h-4f.2a", "h-1"), code[:-1], "", "cw1.a.b.c"):
        with pytest.raises(Problem) as refused:
            invitations.read(wrong)
        assert code_of(refused) == "bad_invitation"
    monkeypatch.setattr("commonwatt_community.service.invitations.now_s", lambda: expires_s)
    assert expires_s - now_s() <= VALID_S
    with pytest.raises(Problem) as ended:
        invitations.read(code)
    assert code_of(ended) == "invitation_expired"


async def test_passphrases_are_hashed_and_short_ones_refused() -> None:
    passphrases = Passphrases()
    for weak in ("", "short", "aaaaaaaaaaaaaaaa", "x" * 201):
        with pytest.raises(Problem) as refused:
            await passphrases.hashed(weak)
        assert code_of(refused) == "weak_passphrase"
    kept = await passphrases.hashed("a kettle boils at noon")
    assert kept.startswith("$argon2id$")
    assert await passphrases.matches(kept, "a kettle boils at noon")
    assert not await passphrases.matches(kept, "a kettle boils at one")
    assert not await passphrases.matches(None, "no account has this passphrase")
    assert not await passphrases.matches("damaged", "a kettle boils at noon")


def test_a_code_counts_once_and_near_its_time() -> None:
    secret, uri = new_secret("energy.example")
    assert uri.startswith("otpauth://totp/")
    now = 1_764_000_000
    code = pyotp.TOTP(secret).at(now)
    step = step_of(secret, code, 0, lambda: now)
    assert step == now // 30
    assert step_of(secret, code, step, lambda: now) is None
    assert step_of(secret, code, 0, lambda: now + 29) == step
    assert step_of(secret, code, 0, lambda: now + 90) is None


async def test_a_session_is_its_secrets_alone_and_ends(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = await sessions.begin(store, COOKIE, Role.RESIDENT, "h-1", "ada")
    assert sessions.find(store, COOKIE, begun.secret) == begun.caller
    assert sessions.find(store, TOKEN, begun.secret) is None
    assert sessions.find(store, COOKIE, begun.secret + "x") is None
    assert begun.secret.encode() not in (store._path.read_bytes())
    assert sessions.is_forged(begun.caller, None)
    assert sessions.is_forged(begun.caller, "x" * 22)
    assert not sessions.is_forged(begun.caller, sessions.csrf_of(begun.caller))
    assert sessions.counts(store, begun.caller)
    token = await sessions.begin(store, TOKEN, Role.HOME, "h-1")
    assert not sessions.is_forged(token.caller, None)
    await sessions.end(store, token.caller)
    assert sessions.find(store, TOKEN, token.secret) is None
    monkeypatch.setattr(sessions, "now_s", lambda: begun.expires_s)
    assert sessions.find(store, COOKIE, begun.secret) is None


def test_a_bucket_empties_and_fills() -> None:
    now = 0.0
    bucket = Buckets(Rate(3, 0.5), lambda: now)
    for _ in range(3):
        bucket.take("h-1")
    with pytest.raises(Problem) as refused:
        bucket.take("h-1")
    assert (code_of(refused), refused.value.retry_after_s) == ("too_many_requests", 2)
    bucket.take("h-2")
    now = 2.0
    bucket.take("h-1")
