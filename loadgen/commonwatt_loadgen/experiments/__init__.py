# SPDX-License-Identifier: Apache-2.0
"""Experiments as files: a comparison is written down, run on all cores, and kept with all that repeats it."""
