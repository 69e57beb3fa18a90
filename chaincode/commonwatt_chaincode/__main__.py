# SPDX-License-Identifier: Apache-2.0
"""Serve the contracts of both markets and of the exchange to the peers of one organisation.

Fabric's standard variables configure it.
"""

import sys

from .contract import Market
from .exchange import Exchange
from .forward import ForwardMarket
from .shim import run_from_environment

if __name__ == "__main__":
    sys.exit(run_from_environment(Market(), ForwardMarket(), Exchange()))
