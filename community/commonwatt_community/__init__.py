# SPDX-License-Identifier: Apache-2.0
"""A community that lives: home energy management agents on the market."""
