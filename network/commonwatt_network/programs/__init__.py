# SPDX-License-Identifier: Apache-2.0
"""Programs of this machine: finding, starting, watching and ending them, and waiting until they serve."""
