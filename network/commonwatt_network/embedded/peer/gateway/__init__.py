# SPDX-License-Identifier: Apache-2.0
"""Fabric's Gateway service: a peer that endorses, submits and watches transactions on a client's behalf."""
