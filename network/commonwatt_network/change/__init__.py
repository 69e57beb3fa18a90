# SPDX-License-Identifier: Apache-2.0
"""Changes to a running network: the difference between what runs and what is wanted, and the steps that close it."""
