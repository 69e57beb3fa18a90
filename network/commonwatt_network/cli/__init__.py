# SPDX-License-Identifier: Apache-2.0
"""The command `commonwatt` and the verbs of this distribution."""
