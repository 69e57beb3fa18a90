# SPDX-License-Identifier: Apache-2.0
"""Experiments as files: what is compared is written down, run on all cores, and kept with all that repeats it."""
