"""AuthPolicies from a directory of YAML files, for running without Kubernetes, for tests and for the command line."""
