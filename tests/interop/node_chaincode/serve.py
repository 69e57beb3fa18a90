# SPDX-License-Identifier: Apache-2.0
"""Serve probe.mjs in this process's place, for whoever starts chaincode as a Python script."""

import os
from pathlib import Path

os.environ["CORE_CHAINCODE_LOGGING_LEVEL"] = "error"
os.execvp("node", ["node", str(Path(__file__).with_name("probe.mjs"))])
