"""Where the API server holds the kinds of objects that are followed."""

from typing import Final

from authz.api.decode import API_VERSION

GATEWAY_GROUP: Final = "gateway.networking.k8s.io"
POLICIES: Final = f"/apis/{API_VERSION}/authpolicies"
GATEWAYS: Final = f"/apis/{GATEWAY_GROUP}/v1/gateways"
ROUTES: Final = f"/apis/{GATEWAY_GROUP}/v1/httproutes"
GRANTS: Final = f"/apis/{GATEWAY_GROUP}/v1beta1/referencegrants"


def in_namespace(path: str, namespace: str) -> str:
    """Return where those of one namespace are.

    >>> in_namespace(GATEWAYS, "shop")
    '/apis/gateway.networking.k8s.io/v1/namespaces/shop/gateways'
    """
    base, _, plural = path.rpartition("/")
    return f"{base}/namespaces/{namespace}/{plural}"
