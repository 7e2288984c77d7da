"""The Kubernetes API: AuthPolicies as a source. The only code that speaks to the API server."""
