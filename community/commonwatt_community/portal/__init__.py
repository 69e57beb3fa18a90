# SPDX-License-Identifier: Apache-2.0
"""The residents' portal and the operators' page: what they show, and the files of which they consist."""
