# SPDX-License-Identifier: Apache-2.0
"""Throughput tests: open-loop arrivals, latency from the intended send time, outcomes told apart."""
