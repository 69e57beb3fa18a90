# SPDX-License-Identifier: Apache-2.0
"""Who is who and who may do what: certificates, membership, signatures, policies and access."""
