# SPDX-License-Identifier: Apache-2.0
"""Serve the contracts of both markets to the peers of one organisation, configured by Fabric's standard variables."""

import sys

from .contract import Market
from .forward import ForwardMarket
from .shim import run_from_environment

if __name__ == "__main__":
    sys.exit(run_from_environment(Market(), ForwardMarket()))
