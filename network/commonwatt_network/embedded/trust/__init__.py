"""Who is who and who may do what: certificates, membership, signatures, policies and access."""
