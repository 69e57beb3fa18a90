# SPDX-License-Identifier: Apache-2.0
"""What the market itself costs on a ledger: transactions and processor time for each kWh that neighbours trade."""

from collections.abc import Mapping
from typing import Any

import psutil


def processor_s(processes: Mapping[str, psutil.Process], since_s: float = 0.0) -> float | None:
    """Processor time that a network's processes have used, less `since_s`; None where they are not to be seen.

    A network on other machines, or in containers, is not; neither is one of whose processes one has ended.
    """
    if not processes:
        return None
    try:
        times = [process.cpu_times() for process in processes.values()]
    except psutil.Error:
        return None
    return round(sum(one.user + one.system for one in times) - since_s, 2)


def mechanism_cost(transactions: int, network_processor_s: float | None, p2p_wh: int) -> dict[str, Any]:
    """The cost in all, and per kWh traded; what is not known, or came to nothing traded, is None."""

    def per_kwh(amount: float | None) -> float | None:
        return round(amount * 1000 / p2p_wh, 3) if p2p_wh and amount is not None else None

    return {
        "transactions": transactions,
        "network_processor_s": network_processor_s,
        "p2p_wh": p2p_wh,
        "transactions_per_kwh": per_kwh(transactions),
        "network_processor_s_per_kwh": per_kwh(network_processor_s),
    }
