"""Throughput tests: open-loop arrivals, latency from the intended send time, outcomes told apart."""
