"""External authorization for Kubernetes ingress: one check in, one decision with its reason out."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("ingress-authz")
except PackageNotFoundError:  # Running from a checkout that was never installed.
    __version__ = "0+unknown"
