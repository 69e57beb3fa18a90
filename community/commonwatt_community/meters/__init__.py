# SPDX-License-Identifier: Apache-2.0
"""Meters: one adapter a file, each of which counts energy at a home's connection point."""
