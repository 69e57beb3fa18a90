# SPDX-License-Identifier: Apache-2.0
"""The ordering service and its orderers: what they take, order, keep, hand out and take back."""
