# SPDX-License-Identifier: Apache-2.0
"""The demonstration `commonwatt live`: a whole community in one process, beside a network that is up."""
