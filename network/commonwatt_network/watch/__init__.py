# SPDX-License-Identifier: Apache-2.0
"""Watching a running network: what its nodes and its market do now, as a page and for Prometheus.

- `market`: the market's figures, folded from the contract's events
- `refusals`: the contract's refusals by code, read from the chaincode servers' logs
- `nodes`: heights, leaders and endorsements, from the nodes' own metrics
- `watcher`: keeps all of it current
- `exposition`: the figures in Prometheus' text format
- `server`: the page and /metrics
"""
