# SPDX-License-Identifier: Apache-2.0
"""A community founded from one file: rules, homes, invitations. `docs/community.md` leads through it."""
