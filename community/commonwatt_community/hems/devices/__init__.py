# SPDX-License-Identifier: Apache-2.0
"""Devices of a home whose energy may come at one time or another: cars, hot water, machines that can wait.

Each names the half hours in which it may run. It runs at once, or at the least cost: a home's own surplus costs what
the grid would pay for it, all other energy what the grid takes.
"""
