# SPDX-License-Identifier: Apache-2.0
"""The determinism guard catches each usual source of nondeterminism, and nothing else."""

import pytest
from commonwatt_chaincode.shim import Contract
from commonwatt_chaincode.shim.testing import GuardedLedger, NonDeterministic, caller

from .programs import Unsteady


async def test_a_deterministic_contract_passes_and_its_state_carries_on() -> None:
    async with GuardedLedger(Unsteady(b"x")) as ledger:
        for expected in (b"", b"x", b"xx"):
            assert (await ledger.submit("steady", creator=caller())).payload == expected
        assert (await ledger.submit("printing")).status == 200


@pytest.mark.parametrize("name", ["clock", "date", "zone", "sets", "chance"])
async def test_what_differs_from_run_to_run_fails_with_a_diff(name: str) -> None:
    async with GuardedLedger(Unsteady()) as ledger:
        with pytest.raises(NonDeterministic, match=f"(?s)two runs of {name} differ.*--- one run.*\n-.*\n\\+"):
            await ledger.submit(name)


def test_a_contract_that_a_second_process_cannot_load_is_told() -> None:
    class Inside(Contract):
        pass

    with pytest.raises(ValueError, match="inside a function"):
        GuardedLedger(Inside())
